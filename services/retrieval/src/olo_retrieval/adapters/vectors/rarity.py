"""How rare terms are in a corpus, remembered for as long as nothing is written there."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Final, TypeAlias

from olo_retrieval.types import Selection

_MOST: Final = 100_000
"""Terms that are remembered, of all corpora together; some megabytes."""

Corpus: TypeAlias = tuple[str, Selection]
"""A space and the points in it."""


class Rarity:
    """What the searches of one store have learnt of terms. Any thread may use it.

    Whoever learns holds the dictionary since before it asked the engine. A write takes that dictionary away when its
    points are there, so that what was counted meanwhile is remembered by nobody.
    """

    def __init__(self) -> None:
        self._known: dict[Corpus, dict[int, float]] = {}
        self._count = 0
        self._lock = Lock()

    def of(self, corpus: Corpus) -> Mapping[int, float] | None:
        """The weights of terms that are known so far.

        None for the first who asks since something was written: between two writes of many there is one search at
        most, and what it learnt would serve nobody.
        """
        with self._lock:
            known = self._known.get(corpus)
            if known is None:
                self._known[corpus] = {}
            return known

    def learn(self, corpus: Corpus, known: Mapping[int, float], weights: Mapping[int, float]) -> None:
        """Remembers weights that were counted since `known` was given out, unless something was written since."""
        with self._lock:
            kept = self._known.get(corpus)
            if kept is None or kept is not known:
                return
            kept.update(weights)
            self._count += len(weights)
            if self._count > _MOST:
                self._known, self._count = {}, 0

    def forget(self, corpus: Corpus) -> None:
        """Must be called when points were written or deleted, before anyone is told so."""
        with self._lock:
            self._count -= len(self._known.pop(corpus, ()))
