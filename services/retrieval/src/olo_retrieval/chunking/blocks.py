"""Finds the blocks of a text: headings, rules, fenced code, tables, paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from olo_retrieval.structure import Structure

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t].*)?$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-{2,})$")
_BLANK_LINES = re.compile(r"\n(?:[ \t\r\f\v]*\n)+")
_DELIMITER_ROW = frozenset(" \t\r:|-")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}$")


class BlockKind(Enum):
    """What a block is."""

    HEADING = "heading"
    RULE = "rule"
    CODE = "code"
    TABLE = "table"
    PARAGRAPH = "paragraph"


@dataclass(frozen=True, slots=True)
class Block:
    """A span of the text, without blanks at its ends."""

    kind: BlockKind
    start: int
    end: int


def find_blocks(text: str, structure: Structure = Structure.MARKDOWN) -> list[Block]:
    """The blocks in their order. Every character that is not blank lies in exactly one."""
    if structure is Structure.TEXT:
        raw = _between_blank_lines(text, BlockKind.PARAGRAPH)
    elif structure is Structure.CODE:
        raw = _between_blank_lines(text, BlockKind.CODE)
    else:
        raw = (_told_apart(text, block) for block in _raw_blocks(text))
    return [block for found in raw if (block := _trimmed(text, found)) is not None]


def _between_blank_lines(text: str, kind: BlockKind) -> Iterator[Block]:
    """What blank lines set apart; in code, only those before a line that is not indented."""
    start = 0
    for match in _BLANK_LINES.finditer(text):
        if kind is BlockKind.CODE and text[match.end() : match.end() + 1].isspace():
            continue
        yield Block(kind, start, match.start())
        start = match.end()
    yield Block(kind, start, len(text))


def _told_apart(text: str, block: Block) -> Block:
    """A paragraph whose second line is a delimiter row is a table."""
    if block.kind is not BlockKind.PARAGRAPH:
        return block
    first = text.find("\n", block.start, block.end)
    second = text.find("\n", first + 1, block.end) if first >= 0 else -1
    row = text[first + 1 : second if second >= 0 else block.end] if first >= 0 else ""
    if (
        "|" in text[block.start : max(first, 0)]
        and "-" in row
        and "|" in row
        and _DELIMITER_ROW.issuperset(row.strip())
    ):
        return Block(BlockKind.TABLE, block.start, block.end)
    return block


def _raw_blocks(text: str) -> Iterator[Block]:
    lines = [(match.start(), match.end()) for match in _LINE.finditer(text)]
    paragraph: tuple[int, int] | None = None
    position = 0
    while position < len(lines):
        start, end = lines[position]
        line = text[start:end].rstrip()
        position += 1
        kind = _kind_of(line)
        if kind is None:
            if line:
                paragraph = (paragraph[0] if paragraph else start, end)
                continue
        elif paragraph is not None and _UNDERLINE.match(line) and _is_one_line(text, paragraph):
            yield Block(BlockKind.HEADING, paragraph[0], end)
            paragraph = None
            continue
        if paragraph is not None:
            yield Block(BlockKind.PARAGRAPH, *paragraph)
            paragraph = None
        if kind is BlockKind.CODE:
            position, end = _fence_end(text, lines, position - 1)
        if kind is not None:
            yield Block(kind, start, end)
    if paragraph is not None:
        yield Block(BlockKind.PARAGRAPH, *paragraph)


def _kind_of(line: str) -> BlockKind | None:
    if _FENCE.match(line):
        return BlockKind.CODE
    if _HEADING.match(line):
        return BlockKind.HEADING
    if _RULE.match(line) or _UNDERLINE.match(line):
        return BlockKind.RULE
    return None


def _is_one_line(text: str, span: tuple[int, int]) -> bool:
    return "\n" not in text[span[0] : span[1]].rstrip()


def _fence_end(text: str, lines: list[tuple[int, int]], opening: int) -> tuple[int, int]:
    """Number of the line after the code, and where the code ends; an open fence runs to the end of the text."""
    match = _FENCE.match(text[slice(*lines[opening])])
    mark = match.group(1) if match else "```"
    for number in range(opening + 1, len(lines)):
        line = text[slice(*lines[number])].strip()
        if len(line) >= len(mark) and not line.strip(mark[0]):
            return number + 1, lines[number][1]
    return len(lines), lines[-1][1]


def _trimmed(text: str, block: Block) -> Block | None:
    span = text[block.start : block.end]
    start = block.start + len(span) - len(span.lstrip())
    end = block.start + len(span.rstrip())
    return Block(block.kind, start, end) if start < end else None
