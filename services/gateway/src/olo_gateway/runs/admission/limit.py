"""How many runs may be in flight: learned from how much longer they take than in calm hours.

The measure is the gradient of Netflix's concurrency limits ("Performance Under Load", 2018) and of Envoy's adaptive
concurrency filter; the steps are those of TCP: slow start, additive increase, multiplicative decrease. After each
window of answers, with slowness the median of (seconds taken / seconds that such a run takes in calm hours),

    limit' = limit + sqrt(limit)                                  where slowness <= tolerance, while it is used
    limit' = limit * max(2/3, tolerance / slowness)               where slowness > tolerance

At the lowest limit everything is calm by definition, so that a model that has become slower for good is learned anew.
"""

from __future__ import annotations

import math
import statistics
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_FEWEST_ANSWERS: Final = 10
"""Of a window: fewer say nothing."""
_STEEPEST: Final = 2 / 3
"""What is left of the limit where answers are very slow: a restart of some part makes a window slow, too."""
_USED: Final = 0.75
"""The part of the limit that must have been in flight for it to grow."""
_CALM: Final = 0.25
"""The part of the limit below which a run is taken to have had the machines for itself."""
_MEMORY: Final = 0.1
"""Weight of the newest run in a mean."""
_MAX_KINDS: Final = 1024
_SHORTEST: Final = 1e-6
"""Seconds: nothing takes less."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the limit may be, and what it aims at.

    Attributes:
        lowest: The least.
        highest: The most.
        tolerance: How many times longer than in calm hours a run may take.
        first: The limit at the start.
    """

    lowest: int
    highest: int
    tolerance: float
    first: int = 32


class AdaptiveLimit:
    """The limit; see the module.

    Runs are compared with their own kind and size: a small model is no calm large one, and a long answer no slow short
    one. The size is the number of binary digits of the number of tokens.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._limit = float(min(bounds.highest, max(bounds.lowest, bounds.first)))
        self._calm: OrderedDict[tuple[str, int | None], float] = OrderedDict()
        self._usual = 0.0
        self._slowness = 1.0
        self._starting = True
        self._window: list[float] = []
        self._peak = 0

    @property
    def now(self) -> int:
        """Runs that may be in flight."""
        return int(self._limit)

    @property
    def slowness(self) -> float:
        """How many times longer than in calm hours runs took lately."""
        return self._slowness

    @property
    def usual_seconds(self) -> float:
        """How long runs took lately; 0 while none is known."""
        return self._usual

    def expected(self, kind: str) -> tuple[float, float]:
        """Seconds that a run of this kind takes in calm hours and takes now; zeros where none is known."""
        calm = self._calm.get((kind, None), 0.0)
        return calm, calm * max(1.0, self._slowness)

    def began(self, in_flight: int) -> None:
        """Notes a run that was let in, as the last of so many."""
        self._peak = max(self._peak, in_flight)

    def ended(self, kind: str, seconds: float, *, most_in_flight: int, tokens: int | None = 0) -> None:
        """Learns from a run.

        Args:
            kind: What it is compared with.
            seconds: How long it took.
            most_in_flight: Runs in flight when it began or ended, whichever were more.
            tokens: Of its answer; None where its time was over before its end: it would have taken longer.
        """
        if tokens is None:
            calm = self._calm.get((kind, None))
            if calm is None or seconds < calm * self._bounds.tolerance:
                return
        else:
            self._usual = _mixed(self._usual, seconds)
            self._learn((kind, None), seconds, most_in_flight)
            calm = self._learn((kind, tokens.bit_length()), seconds, most_in_flight)
        slowness = max(seconds, _SHORTEST) / calm
        self._slowness = _mixed(self._slowness, slowness)
        self._window.append(slowness)
        if len(self._window) >= max(_FEWEST_ANSWERS, self._limit / 2):
            self._adapt(statistics.median(self._window))

    def _learn(self, kind: tuple[str, int | None], seconds: float, most_in_flight: int) -> float:
        """Learns what calm is; gives it."""
        calm, seconds = self._calm.get(kind), max(seconds, _SHORTEST)
        if calm is None:
            calm = seconds
        elif most_in_flight <= max(self._bounds.lowest, self._limit * _CALM):
            calm = _mixed(calm, seconds)
        self._calm[kind] = calm
        self._calm.move_to_end(kind)
        if len(self._calm) > _MAX_KINDS:
            self._calm.popitem(last=False)
        return calm

    def _adapt(self, slowness: float) -> None:
        bounds, limit = self._bounds, self._limit
        if slowness < 1.0:
            # Most were quicker than in calm hours: what was taken for calm, at the start perhaps, was not.
            for kind in self._calm:
                self._calm[kind] = max(_SHORTEST, self._calm[kind] * slowness)
        if slowness > bounds.tolerance:
            self._starting = False
            limit *= max(_STEEPEST, bounds.tolerance / slowness)
        elif self._peak >= limit * _USED:
            limit += limit if self._starting else math.sqrt(limit)
        self._limit = min(float(bounds.highest), max(float(bounds.lowest), limit))
        self._peak = 0
        self._window.clear()


def _mixed(mean: float, newest: float) -> float:
    return newest if mean == 0.0 else mean + _MEMORY * (newest - mean)
