"""What a search has learnt of served versions, for as long as the database stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

_MOST: Final = 50_000
"""Documents that are remembered; some megabytes."""

Index: TypeAlias = tuple[str, int]
"""Uid and revision of a collection."""


class ServedVersions:
    """Remembers served versions in one state of the database; another state begins anew.

    A state is what `Database.state` says before the rows are read. If something is committed between the two, the rows
    may be newer than the state, and the next search, which sees another one, forgets them.
    """

    def __init__(self) -> None:
        self._state: int | None = None
        self._known: dict[Index, dict[str, int]] = {}
        self._count = 0

    def get(self, state: int | None, index: Index, documents: Sequence[str]) -> Mapping[str, int] | None:
        """The served version of each of these documents that has one; None where not all of that is known."""
        if state is None or state != self._state:
            self._state, self._known, self._count = state, {}, 0
            return None
        known = self._known.get(index)
        if known is None:
            return None
        try:
            return {name: version for name in documents if (version := known[name])}
        except KeyError:
            return None

    def keep(self, state: int | None, index: Index, documents: Iterable[str], served: Mapping[str, int]) -> None:
        """Remembers what was read of these documents since the database was in this state."""
        if state is None or state != self._state:
            # Another search has seen a newer state meanwhile.
            return
        if self._count >= _MOST:
            self._known, self._count = {}, 0
        known = self._known.setdefault(index, {})
        before = len(known)
        known.update((name, served.get(name, 0)) for name in documents)
        self._count += len(known) - before
