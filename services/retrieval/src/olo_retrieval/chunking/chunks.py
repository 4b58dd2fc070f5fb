"""Chunks: one block each, longer ones split, very short ones joined with what follows in their section."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from olo_retrieval.chunking.blocks import Block, BlockKind, find_blocks
from olo_retrieval.chunking.plan import PARENT_CHUNKS, ChunkLimits, Strategy
from olo_retrieval.chunking.sections import Section, find_sections
from olo_retrieval.chunking.splitting import Span, pack, split_block
from olo_retrieval.chunking.tokens import estimate_tokens
from olo_retrieval.structure import Structure

__all__ = ["Chunk", "chunk_document"]

_WORD_START = re.compile(r"(?<!\S)\S")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text` is the document from `start` to `end`, in characters.

    Attributes:
        index: Its number, from 0.
        headings: What stands above it, outermost first.
        page: Number of its page from 1; None where the document has none.
        parent: The span around it that its strategy shows with it; None where it shows none.
        table_header: The first row of its table, where the chunk begins further down.
    """

    index: int
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    parent: Span | None = None
    table_header: str = ""

    @property
    def embedding_text(self) -> str:
        """What is embedded: the heading tells what a passage is about that only says `it`, the header what a row is."""
        above = (self.headings[-1] if self.headings else "", self.table_header)
        return "\n".join(line for line in (*above, self.text) if line)


def chunk_document(
    text: str,
    limits: ChunkLimits | None = None,
    *,
    strategy: Strategy = Strategy.STRUCTURE,
    structure: Structure = Structure.MARKDOWN,
    pages: Sequence[int] = (),
) -> list[Chunk]:
    """The chunks of a document, in its order.

    Headings and rules belong to no chunk, unless the document has nothing else or the strategy is FIXED.

    Args:
        text: The document.
        limits: How long a chunk may be.
        strategy: What a chunk is.
        structure: What marks the parts of the text.
        pages: Where each page begins, in characters.
    """
    limits = limits or ChunkLimits()
    found = [chunk for part in _parts(text, limits, strategy, structure, pages) for chunk in part]
    return [
        Chunk(
            number, start, end, text[start:end], section.headings, section.page, parent, _header(text, section, start)
        )
        for number, (section, (start, end), parent) in enumerate(found)
    ]


def _parts(
    text: str, limits: ChunkLimits, strategy: Strategy, structure: Structure, pages: Sequence[int]
) -> Iterator[list[tuple[Section, Span, Span | None]]]:
    """The spans of each section, with their parents."""
    blocks = _fixed_blocks(text, pages) if strategy is Strategy.FIXED else find_blocks(text, structure)
    # Room for the overlap is kept free.
    tight = ChunkLimits(limits.max_tokens - limits.overlap_tokens, limits.min_tokens)
    for section in find_sections(text, blocks, pages):
        spans = list(_joined(text, section.blocks, tight))
        parents: Sequence[Span | None] = [None] * len(spans)
        if strategy is Strategy.PARENT_CHILD:
            parents = _parents(text, spans, limits)
        wide = [_reaching_back(text, span, before, limits) for span, before in zip(spans, [None, *spans], strict=False)]
        yield [
            (section, span, (min(parent[0], span[0]), parent[1]) if parent else None)
            for span, parent in zip(wide, parents, strict=True)
        ]


def _fixed_blocks(text: str, pages: Sequence[int]) -> list[Block]:
    starts = sorted({0, *pages})
    return [
        Block(BlockKind.PARAGRAPH, start + len(span) - len(span.lstrip()), start + len(span.rstrip()))
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True)
        if (span := text[start:end]).strip()
    ]


def _joined(text: str, blocks: Sequence[Block], limits: ChunkLimits) -> Iterator[Span]:
    current: Span | None = None
    for block in blocks:
        for span in split_block(text, block, limits):
            if current is None:
                current = span
            elif estimate_tokens(text, *current) < limits.min_tokens and limits.allow(text, current[0], span[1]):
                current = (current[0], span[1])
            else:
                yield current
                current = span
    if current is not None:
        yield current


def _reaching_back(text: str, span: Span, before: Span | None, limits: ChunkLimits) -> Span:
    """The span, begun as many words earlier as the overlap allows."""
    if before is None or not limits.overlap_tokens:
        return span
    from_here = max(before[0] + 1, span[0] - limits.overlap_tokens * 10)
    for match in _WORD_START.finditer(text, from_here, span[0]):
        start = match.start()
        if estimate_tokens(text, start, span[0]) <= limits.overlap_tokens and limits.allow(text, start, span[1]):
            return start, span[1]
    return span


def _parents(text: str, spans: Sequence[Span], limits: ChunkLimits) -> list[Span]:
    wide = ChunkLimits(limits.max_tokens * PARENT_CHUNKS)
    parents = list(pack(text, spans, wide))
    starts = [start for start, _ in parents]
    return [parents[bisect_right(starts, start) - 1] for start, _ in spans]


def _header(text: str, section: Section, start: int) -> str:
    """The first row of the table in which a chunk begins, unless it begins with that row."""
    for block in section.blocks:
        if block.kind is BlockKind.TABLE and block.start < start < block.end:
            return text[block.start : block.end].partition("\n")[0].strip()
    return ""
