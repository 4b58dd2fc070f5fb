"""Which of the waiting rows go to the engine together.

A batch begins with the row that waits longest, so that none waits for ever, and takes others that the engine can
compute with it at little extra cost. Rows must have the same options and the same static prompt; and their prompts must
be of similar length, because the engine reads in at once only as many tokens as the shortest has, and the rest step by
step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """A row that waits."""

    @property
    def key(self) -> Hashable:
        """Equal for rows that may share a batch."""

    @property
    def length(self) -> int:
        """Tokens to read in."""

    @property
    def cost(self) -> int:
        """Tokens that it holds in memory at most."""

    @property
    def exact(self) -> bool:
        """Whether it may only be beside rows of the same length."""


W = TypeVar("W", bound=Waiting)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may be.

    Args:
        rows: Rows in one batch.
        tokens: Sum of the costs in one batch; 0: any.
        ratio: How much longer than the shortest prompt the longest may be.
        slack: Tokens that it may be longer in any case.
    """

    rows: int
    tokens: int = 0
    ratio: float = 0.12
    slack: int = 16

    def longest(self, shortest: int, *, exact: bool) -> int:
        """The longest prompt that may be beside the shortest."""
        return shortest if exact else max(shortest + self.slack, math.floor(shortest * (1 + self.ratio)))


def choose(waiting: Sequence[W], limits: Limits) -> list[W]:
    """The next batch out of rows in the order of their arrival: the first, and who goes well with it.

    Returns:
        At least the first row and at most `limits.rows`, in the order of their arrival.
    """
    head = waiting[0]
    alike = [row for row in waiting if row.key == head.key]
    lengths = sorted(row.length for row in alike)
    best, most = head.length, 0
    for low in dict.fromkeys(lengths):
        high = limits.longest(low, exact=head.exact)
        if low > head.length or high < head.length:
            continue
        count = bisect_right(lengths, high) - lengths.index(low)
        if count > most:
            best, most = low, count
    high = limits.longest(best, exact=head.exact)
    chosen: list[W] = []
    tokens = 0
    for row in alike:
        if len(chosen) >= limits.rows:
            break
        fits = not limits.tokens or tokens + row.cost <= limits.tokens
        if best <= row.length <= high and (fits or not chosen):
            chosen.append(row)
            tokens += row.cost
    return chosen
