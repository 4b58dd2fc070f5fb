"""Chunks: one paragraph each, longer ones split, very short ones joined with what follows in their section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from olo_retrieval.chunking.blocks import Block, BlockKind, find_blocks
from olo_retrieval.chunking.limits import ChunkLimits, words
from olo_retrieval.chunking.splitting import Span, split_block
from olo_retrieval.chunking.titles import heading_text

__all__ = ["Chunk", "ChunkLimits", "chunk_document"]

_STRUCTURE = (BlockKind.HEADING, BlockKind.RULE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text` is the document from `start` to `end`, in characters; `heading` stands above it."""

    index: int
    start: int
    end: int
    text: str
    heading: str

    @property
    def embedding_text(self) -> str:
        """What is embedded: the heading tells what a passage is about that only says `it`."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def chunk_document(text: str, limits: ChunkLimits | None = None) -> list[Chunk]:
    """The chunks of a document, in its order, without overlap.

    Headings and rules belong to no chunk, unless the document has nothing else.
    """
    limits = limits or ChunkLimits()
    blocks = find_blocks(text)
    if all(block.kind in _STRUCTURE for block in blocks):
        blocks = [Block(BlockKind.PARAGRAPH, block.start, block.end) for block in blocks]
    spans = (item for heading, section in _sections(text, blocks) for item in _joined(text, heading, section, limits))
    return [Chunk(index, start, end, text[start:end], heading) for index, (heading, (start, end)) in enumerate(spans)]


def _sections(text: str, blocks: list[Block]) -> Iterator[tuple[str, list[Block]]]:
    heading, section = "", list[Block]()
    for block in blocks:
        if block.kind not in _STRUCTURE:
            section.append(block)
            continue
        yield heading, section
        section = []
        if block.kind is BlockKind.HEADING:
            heading = heading_text(text[block.start : block.end])
    yield heading, section


def _joined(text: str, heading: str, section: list[Block], limits: ChunkLimits) -> Iterator[tuple[str, Span]]:
    current: Span | None = None
    for block in section:
        for span in split_block(text, (block.start, block.end), code=block.kind is BlockKind.CODE, limits=limits):
            if current is None:
                current = span
            elif words(text, *current) < limits.min_words and limits.allow(text, current[0], span[1]):
                current = (current[0], span[1])
            else:
                yield heading, current
                current = span
    if current is not None:
        yield heading, current
