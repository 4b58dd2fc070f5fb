"""Splits a block that is too long at the best places there are: lines of code, sentences, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from olo_retrieval.chunking.blocks import Block, BlockKind
from olo_retrieval.chunking.plan import ChunkLimits

Span = tuple[int, int]

_WORD = re.compile(r"\S+")
_LINE = re.compile(r"[^\n]*\S[^\n]*")
# A sentence ends at its mark, closing quotes and brackets included, before a blank; or before a list item or a blank
# line.
_SENTENCE_END = re.compile(r"""[.!?]["')\]”’]*(?=\s)|[。！？]|\n(?=[ \t]*(?:\n|(?:[-*+]|\d{1,9}[.)])\s))""")


def split_block(text: str, block: Block, limits: ChunkLimits) -> list[Span]:
    """Spans within the limits that hold all of the block that is not blank, as few as greedy packing makes."""
    span = (block.start, block.end)
    if limits.allow(text, *span):
        return [span]
    by_line = block.kind in (BlockKind.CODE, BlockKind.TABLE)
    parts = _lines(text, span) if by_line else _sentences(text, span)
    fine = (piece for part in parts for piece in _fitting(text, part, limits))
    return list(pack(text, fine, limits))


def pack(text: str, spans: Iterable[Span], limits: ChunkLimits) -> Iterator[Span]:
    """Neighbours together as long as they fit; a span that does not fit by itself stays as it is."""
    current: Span | None = None
    for span in spans:
        if current is not None and limits.allow(text, current[0], span[1]):
            current = (current[0], span[1])
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current


def _lines(text: str, span: Span) -> Iterator[Span]:
    for match in _LINE.finditer(text, *span):
        yield match.start(), match.start() + len(match.group().rstrip())


def _sentences(text: str, span: Span) -> Iterator[Span]:
    start = span[0]
    for match in _SENTENCE_END.finditer(text, *span):
        yield from _stripped(text, (start, match.end()))
        start = match.end()
    yield from _stripped(text, (start, span[1]))


def _stripped(text: str, span: Span) -> Iterator[Span]:
    piece = text[slice(*span)]
    start = span[0] + len(piece) - len(piece.lstrip())
    end = span[0] + len(piece.rstrip())
    if start < end:
        yield start, end


def _fitting(text: str, span: Span, limits: ChunkLimits) -> Iterator[Span]:
    """The span itself, or its words, or pieces of a word that is longer than a chunk may be."""
    if limits.allow(text, *span):
        yield span
        return
    # No character counts as more than one token.
    most = limits.max_tokens
    for match in _WORD.finditer(text, *span):
        if limits.allow(text, *match.span()):
            yield match.span()
            continue
        for start in range(match.start(), match.end(), most):
            yield start, min(start + most, match.end())
