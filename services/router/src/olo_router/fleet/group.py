"""The instances of one model, their sums kept with every event and the freest one at hand."""

from __future__ import annotations

from enum import Enum
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from olo_router.fleet.member import Member, Presence
from olo_router.types import Load


class _Standing(Enum):
    """Whether a live member takes work."""

    READY = "ready"
    DRAINING = "draining"
    HELD = "held"


class _Counted(NamedTuple):
    """How a member stands in the sums."""

    standing: _Standing
    slots: int
    busy: int


class Group:
    """See the module. Every change of a member is followed by `count`, so that `load` need not look at them all."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._counted: dict[str, _Counted] = {}
        self._numbers = dict.fromkeys(_Standing, 0)
        self._capacity = self._in_flight = 0
        # Entries are (-free slots, id); those that no longer tell the truth are dropped when they come to the top.
        self._freest: list[tuple[int, str]] = []

    def add(self, member: Member) -> None:
        """Takes a member in."""
        self.members[member.facts.instance_id] = member
        self.count(member)

    def remove(self, instance_id: str) -> None:
        """Lets a member go."""
        del self.members[instance_id]
        self._uncount(instance_id)

    def count(self, member: Member) -> None:
        """Brings the sums up to date with a member that has changed."""
        instance_id = member.facts.instance_id
        self._uncount(instance_id)
        if member.presence is not Presence.LIVE:
            return
        slots, busy = member.facts.max_concurrency, member.in_flight + member.pending
        standing = _standing(member)
        self._counted[instance_id] = _Counted(standing, slots, busy)
        self._numbers[standing] += 1
        if standing is not _Standing.READY:
            return
        self._capacity += slots
        self._in_flight += busy
        heappush(self._freest, (busy - slots, instance_id))
        if len(self._freest) > 2 * len(self.members) + 64:
            self._compact()

    def load(self) -> Load:
        """How busy the model is."""
        while self._freest and not self._is_true(self._freest[0]):
            heappop(self._freest)
        ready, draining, held = self._numbers.values()
        if not self._freest:
            return Load(draining=draining, held=held)
        best = self._freest[0][1]
        address = self.members[best].facts.address
        return Load(ready, draining, held, self._capacity, self._in_flight, best, address)

    def _uncount(self, instance_id: str) -> None:
        counted = self._counted.pop(instance_id, None)
        if counted is None:
            return
        self._numbers[counted.standing] -= 1
        if counted.standing is not _Standing.READY:
            return
        self._capacity -= counted.slots
        self._in_flight -= counted.busy

    def _is_true(self, entry: tuple[int, str]) -> bool:
        counted = self._counted.get(entry[1])
        return counted is not None and counted.standing is _Standing.READY and counted.busy - counted.slots == entry[0]

    def _compact(self) -> None:
        self._freest = [
            (each.busy - each.slots, key) for key, each in self._counted.items() if each.standing is _Standing.READY
        ]
        heapify(self._freest)


def _standing(member: Member) -> _Standing:
    if member.is_held:
        return _Standing.HELD
    return _Standing.DRAINING if member.takes_nothing_new else _Standing.READY
