"""Quarantine: who comes and goes too often is set aside until it has stayed for a while.

A place is a model and an address: a process that crashes and starts again has a new identity, but mostly the old
address. Time is given by the caller, in seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from olo_registry.leases.instance import Instance

Place = tuple[str, str]

_MAX_PLACES = 20_000


@dataclass(frozen=True, slots=True)
class QuarantineRule:
    """When a place is set aside."""

    starts: int = 5
    """So many begun leases within the window."""
    window_seconds: float = 60.0
    stay_seconds: float = 60.0
    """How long the last lease has to last before the place counts as sound again."""


class Quarantine:
    """Counts the leases that each place begins."""

    def __init__(self, rule: QuarantineRule) -> None:
        self._rule = rule
        self._alive: dict[Place, int] = {}
        self._begun: dict[Place, deque[float]] = {}
        self._until: dict[Place, float] = {}

    def began(self, instance: Instance, now: float) -> bool:
        """A lease has begun; whether its place is set aside. A replica that shares a live address is no return."""
        place = _place(instance)
        alive = self._alive.get(place, 0)
        self._alive[place] = alive + 1
        if alive:
            return place in self._until
        begun = self._begun.pop(place, None) or deque(maxlen=self._rule.starts)
        begun.append(now)
        self._begun[place] = begun
        if len(self._begun) > _MAX_PLACES:
            del self._begun[next(iter(self._begun))]
        if len(begun) == self._rule.starts and now - begun[0] <= self._rule.window_seconds:
            self._until[place] = now + self._rule.stay_seconds
        return place in self._until

    def ended(self, instance: Instance) -> None:
        """A lease has ended."""
        place = _place(instance)
        if self._alive[place] == 1:
            del self._alive[place]
        else:
            self._alive[place] -= 1

    def holds(self, instance: Instance) -> bool:
        """Whether the instance's place is set aside."""
        return _place(instance) in self._until

    def expire(self, now: float) -> set[str]:
        """Ends what has lasted long enough; gives the models that it concerns."""
        over = [place for place, until in self._until.items() if until <= now]
        for place in over:
            del self._until[place]
        old = [place for place, begun in self._begun.items() if begun[-1] + self._rule.window_seconds <= now]
        for place in old:
            del self._begun[place]
        return {model_id for model_id, _ in over}


def _place(instance: Instance) -> Place:
    return instance.model_id, instance.address
