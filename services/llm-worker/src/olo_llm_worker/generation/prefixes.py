"""Which beginnings of prompts the engine may keep computed: those that come again, and only so many.

The engine never forgets one, so that the bound is ours: what comes first keeps its place until the model is loaded
anew.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

SHORTEST: Final = 16
"""Tokens below which nothing is gained."""
_REMEMBERED: Final = 256
"""Beginnings that were seen once and may come again."""

Prefix = tuple[int, ...]


class Prefixes:
    """Counts beginnings of prompts.

    Args:
        limit: Beginnings that may be kept; 0 keeps none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: set[Prefix] = set()
        self._seen: OrderedDict[Prefix, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def admit(self, prefix: Prefix) -> Prefix:
        """The beginning as it may be kept, or nothing: too short, seen for the first time, or one too many."""
        if len(prefix) < SHORTEST:
            return ()
        if prefix in self._kept:
            return prefix
        if prefix in self._seen and self.keep(prefix):
            del self._seen[prefix]
            return prefix
        self._seen[prefix] = None
        self._seen.move_to_end(prefix)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return ()

    def keep(self, prefix: Prefix) -> bool:
        """Makes room for a beginning that is known to come again; False where there is none."""
        if prefix not in self._kept and (len(self._kept) >= self._limit or len(prefix) < SHORTEST):
            return False
        self._kept.add(prefix)
        return True


def common(first: list[int], second: list[int]) -> Prefix:
    """What two prompts begin with, but never all of the first."""
    length = 0
    for one, other in zip(first[:-1], second, strict=False):
        if one != other:
            break
        length += 1
    return tuple(first[:length])
