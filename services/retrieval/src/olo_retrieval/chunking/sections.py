"""Sections: the blocks between two headings or pages, and the headings above them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from olo_retrieval.chunking.blocks import Block, BlockKind
from olo_retrieval.chunking.titles import heading_text

_MARKS = re.compile(r"#{1,6}")
_STRUCTURE = (BlockKind.HEADING, BlockKind.RULE)


@dataclass(slots=True)
class Section:
    """Blocks that one chunk may hold together."""

    headings: tuple[str, ...] = ()
    page: int | None = None
    blocks: list[Block] = field(default_factory=list)


def find_sections(text: str, blocks: Sequence[Block], pages: Sequence[int]) -> Iterator[Section]:
    """The sections of a text, in its order.

    Args:
        text: The text.
        blocks: Its blocks. Headings and rules end a section and are left out, unless there is nothing else.
        pages: Where each page begins, in characters.
    """
    only_structure = all(block.kind in _STRUCTURE for block in blocks)
    above: list[tuple[int, str]] = []
    section = Section()
    for block in blocks:
        page = bisect_right(pages, block.start) or None
        if block.kind in _STRUCTURE and not only_structure:
            yield section
            if block.kind is BlockKind.HEADING:
                above = _below(above, text[block.start : block.end])
            section = Section(_path(above), page)
            continue
        if page != section.page:
            yield section
            section = Section(_path(above), page)
        section.blocks.append(block)
    yield section


def _below(above: Sequence[tuple[int, str]], heading: str) -> list[tuple[int, str]]:
    level = _level(heading)
    return [*(outer for outer in above if outer[0] < level), (level, heading_text(heading))]


def _path(above: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(words for _, words in above if words)


def _level(heading: str) -> int:
    if match := _MARKS.match(heading):
        return len(match.group())
    return 1 if heading.rstrip().endswith("=") else 2
