"""The table of leases. An event counts only where its stamp is newer than all that was heard of its instance.

What has ended leaves its stamp behind for a while, so that a late event of before the end brings nothing back. Time is
given by the caller, in seconds of a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from olo_registry.leases.instance import Instance
from olo_registry.types import Departure, Heartbeat, Stamp

_REMEMBERED_LEASES = 10
_MAX_REMEMBERED = 100_000


class Outcome(Enum):
    """What became of an event."""

    CHANGED = "changed"
    """It was applied, and something lasting is different."""
    RENEWED = "renewed"
    """It was applied; only load and lease are different."""
    STALE = "stale"
    """Something newer is known: it was ignored."""
    UNKNOWN = "unknown"
    """It speaks of an instance that has yet to announce itself."""


@dataclass(slots=True)
class _Lease:
    instance: Instance
    deadline: float


class Leases:
    """The live instances.

    Args:
        lease_seconds: How long an instance lives after its last event.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._live: dict[str, _Lease] = {}
        self._of_model: dict[str, dict[str, _Lease]] = {}
        self._ended: dict[str, tuple[Stamp, float]] = {}

    def __len__(self) -> int:
        return len(self._live)

    def get(self, instance_id: str) -> Instance | None:
        """The live instance of this id."""
        lease = self._live.get(instance_id)
        return None if lease is None else lease.instance

    def of_model(self, model_id: str) -> list[Instance]:
        """The live instances of a model, in the order of their ids."""
        leases = self._of_model.get(model_id, {})
        return [leases[instance_id].instance for instance_id in sorted(leases)]

    def sibling(self, model_id: str, instance_id: str) -> Instance | None:
        """Some other live instance of the model. All of one model have the same facts, so one speaks for all."""
        others = (lease.instance for known, lease in self._of_model.get(model_id, {}).items() if known != instance_id)
        return next(others, None)

    def is_stale(self, instance_id: str, stamp: Stamp) -> bool:
        """Whether something as new as this is known already."""
        if (lease := self._live.get(instance_id)) is not None:
            return stamp <= lease.instance.stamp
        ended = self._ended.get(instance_id)
        return ended is not None and stamp <= ended[0]

    def announce(self, instance: Instance, now: float) -> Outcome:
        """Begins a lease, or renews it with new metadata."""
        if self.is_stale(instance.instance_id, instance.stamp):
            return Outcome.STALE
        former = self.get(instance.instance_id)
        # Another start of the process is another instance, whatever it has in common with the one before.
        same = former is not None and (former.lasting, former.stamp.epoch) == (instance.lasting, instance.stamp.epoch)
        if former is not None:
            # Somebody who only says the same again was announced when it said it first.
            if same:
                instance = replace(instance, announce_time=former.announce_time)
            self._drop(former)
        self._ended.pop(instance.instance_id, None)
        lease = _Lease(instance, now + self.lease_seconds)
        self._live[instance.instance_id] = lease
        self._of_model.setdefault(instance.model_id, {})[instance.instance_id] = lease
        return Outcome.RENEWED if same else Outcome.CHANGED

    def beat(self, heartbeat: Heartbeat, now: float) -> Outcome:
        """Renews a lease. A heartbeat of another epoch or model than the one announced is of an unknown instance."""
        if self.is_stale(heartbeat.instance_id, heartbeat.stamp):
            return Outcome.STALE
        lease = self._live.get(heartbeat.instance_id)
        if lease is None:
            return Outcome.UNKNOWN
        known = lease.instance
        if known.stamp.epoch != heartbeat.stamp.epoch or known.model_id != heartbeat.model_id:
            return Outcome.UNKNOWN
        lease.instance = replace(
            known, stamp=heartbeat.stamp, in_flight=heartbeat.in_flight, draining=heartbeat.draining
        )
        lease.deadline = now + self.lease_seconds
        return Outcome.RENEWED if known.draining == heartbeat.draining else Outcome.CHANGED

    def leave(self, departure: Departure, now: float) -> Outcome:
        """Ends a lease; where none is known, keeps what is said late from beginning one."""
        if self.is_stale(departure.instance_id, departure.stamp):
            return Outcome.STALE
        former = self.get(departure.instance_id)
        if former is not None:
            self._drop(former)
        self._remember(departure.instance_id, departure.stamp, now)
        return Outcome.UNKNOWN if former is None else Outcome.CHANGED

    def expire(self, now: float) -> list[Instance]:
        """Ends the leases that have run out, and forgets what ended long ago."""
        over = [lease.instance for lease in self._live.values() if lease.deadline <= now]
        for instance in over:
            self._drop(instance)
            self._remember(instance.instance_id, instance.stamp, now)
        for instance_id in [known for known, (_, until) in self._ended.items() if until <= now]:
            del self._ended[instance_id]
        return over

    def renew(self, instance_ids: Iterable[str], now: float) -> None:
        """Gives these instances, where alive, a full lease from now on."""
        for instance_id in instance_ids:
            if (lease := self._live.get(instance_id)) is not None:
                lease.deadline = now + self.lease_seconds

    def renew_all(self, now: float) -> None:
        """Gives every live instance a full lease from now on."""
        self.renew(list(self._live), now)

    def _drop(self, instance: Instance) -> None:
        del self._live[instance.instance_id]
        siblings = self._of_model[instance.model_id]
        del siblings[instance.instance_id]
        if not siblings:
            del self._of_model[instance.model_id]

    def _remember(self, instance_id: str, stamp: Stamp, now: float) -> None:
        self._ended.pop(instance_id, None)
        self._ended[instance_id] = (stamp, now + _REMEMBERED_LEASES * self.lease_seconds)
        if len(self._ended) > _MAX_REMEMBERED:
            del self._ended[next(iter(self._ended))]
