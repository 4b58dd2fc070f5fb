"""What a passage is, and how long it may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from olo_retrieval.chunking.tokens import estimate_tokens

MIN_TOKENS, MOST_TOKENS = 16, 1_000
PARENT_CHUNKS = 4


class Strategy(StrEnum):
    """What a passage is."""

    STRUCTURE = "structure"
    """A paragraph, a piece of code or some rows of a table; none crosses a heading or a page."""
    PARENT_CHILD = "parent_child"
    """The same; each brings the text around it, up to four passages long."""
    FIXED = "fixed"
    """As many sentences as fit, whatever stands between them; none crosses a page."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """How the documents of a collection are cut. `max_tokens` of 0 is what the service is set to."""

    strategy: Strategy = Strategy.STRUCTURE
    max_tokens: int = 0
    overlap_tokens: int = 0


DEFAULT = Chunking()


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Bounds of one chunk, in estimated tokens.

    Args:
        max_tokens: Tokens at most.
        min_tokens: A shorter chunk takes in the next block of its section, if both fit.
        overlap_tokens: Tokens that a chunk repeats of the one before it in its section, at most.
    """

    max_tokens: int = 120
    min_tokens: int = 26
    overlap_tokens: int = 0

    @classmethod
    def of(cls, chunking: Chunking, default_tokens: int) -> ChunkLimits:
        """The limits of a collection."""
        most = chunking.max_tokens or default_tokens
        return cls(most, most * 2 // 9, min(chunking.overlap_tokens, most // 2))

    @property
    def max_chars(self) -> int:
        """Characters at most; the bound that counts for text that is mostly blanks."""
        return self.max_tokens * 10

    def allow(self, text: str, start: int, end: int) -> bool:
        """Whether this span may be one chunk."""
        return end - start <= self.max_chars and estimate_tokens(text, start, end) <= self.max_tokens
