"""Means and rates in which what happened a half-life ago counts half."""

from __future__ import annotations

import math
from dataclasses import dataclass

_SHORTEST_SPAN_SECONDS = 1.0


def kept_after(seconds: float, half_life: float) -> float:
    """What is left of 1; all of it where time went back."""
    return math.exp2(-max(0.0, seconds) / half_life)


@dataclass(slots=True)
class DecayedMean:
    """A mean; `weight` says for how many observations it stands at the time `at`."""

    weight: float = 0.0
    mean: float = 0.0
    at: float = 0.0

    def weight_at(self, now: float, half_life: float) -> float:
        """What is left of the weight."""
        return self.weight * kept_after(now - self.at, half_life)

    def add(self, value: float, now: float, half_life: float, weight: float = 1.0) -> None:
        """Takes an observation, or the mean of several."""
        kept = self.weight_at(now, half_life)
        total = kept + weight
        if total > 0:
            self.mean = (kept * self.mean + weight * value) / total
            self.weight, self.at = total, max(self.at, now)


@dataclass(slots=True)
class DecayedRate:
    """Something per second."""

    began: float
    total: float = 0.0
    at: float = 0.0

    def add(self, amount: float, now: float, half_life: float) -> None:
        """Takes an amount."""
        self.total = self._left(now, half_life) + amount
        self.at = max(self.at, now)

    def per_second(self, now: float, half_life: float) -> float:
        """The rate, as if what was seen had gone on for ever."""
        span = max(now - self.began, _SHORTEST_SPAN_SECONDS)
        seconds = half_life / math.log(2) * (1 - kept_after(span, half_life))
        return self._left(now, half_life) / seconds

    def _left(self, now: float, half_life: float) -> float:
        return self.total * kept_after(now - self.at, half_life)
