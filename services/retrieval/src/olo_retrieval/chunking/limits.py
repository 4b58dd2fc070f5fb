"""How long a chunk may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Bounds of one chunk.

    Args:
        max_words: Words at most.
        min_words: A shorter chunk takes in the next block of its section, if both fit.
        max_chars: Characters at most; the bound that counts for text without blanks.
    """

    max_words: int = 90
    min_words: int = 20
    max_chars: int = 1_200

    def allow(self, text: str, start: int, end: int) -> bool:
        """Whether this span may be one chunk."""
        return end - start <= self.max_chars and words(text, start, end) <= self.max_words


def words(text: str, start: int, end: int) -> int:
    """Number of words in the span."""
    return len(text[start:end].split())
