"""The registry: what instances say, in events and calls, becomes leases."""

from __future__ import annotations

from dataclasses import replace

from olo_common.attention import Attention
from olo_common.errors import InvalidField, OloError
from olo_registry.catalogue.validation import validate_announcement, validate_identity, validate_instance_id
from olo_registry.changes import Changes
from olo_registry.curation import Curation
from olo_registry.errors import InstanceNotFound, RegistrationRejected, RegistryFull
from olo_registry.leases.conflicts import contradictions
from olo_registry.leases.instance import Instance, instance_of
from olo_registry.leases.table import Leases, Outcome
from olo_registry.ports import Announcer, Clock
from olo_registry.types import Announcement, Departure, Heartbeat, Stamp
from olo_registry.views import Standing

_REQUEST_PAUSE_SECONDS = 1.0
_REFUSED_SECONDS = 30.0


class Registry:
    """See the module.

    Args:
        curation: Where models enter the catalogue.
        leases: Empty at start; filled by what the instances say.
        standing: What is held against instances.
        changes: Who is told.
        announcer: How to speak to the instances.
        clock: Time.
        max_instances: More than these are refused.
    """

    def __init__(
        self,
        curation: Curation,
        leases: Leases,
        standing: Standing,
        changes: Changes,
        *,
        announcer: Announcer,
        clock: Clock,
        max_instances: int = 10_000,
    ) -> None:
        self._curation = curation
        self._leases = leases
        self._standing = standing
        self._changes = changes
        self._announcer = announcer
        self._clock = clock
        self._max_instances = max_instances
        self._attention = Attention(leases.lease_seconds / 2)
        self._asked_at = float("-inf")
        self._refused_until: dict[str, float] = {}

    @property
    def lease_seconds(self) -> float:
        """How long an instance lives after its last event."""
        return self._leases.lease_seconds

    async def announce(self, said: Announcement) -> Outcome:
        """Begins or renews a lease; a model that is seen for the first time enters the catalogue.

        Raises:
            InvalidField: The metadata is out of range.
            RegistrationRejected: Another live instance of this model has other facts.
            RegistryFull: There are too many instances.
            Unavailable: A new model cannot be stored.
        """
        validate_instance_id(said.instance_id)
        try:
            return await self._admit(said)
        except OloError:
            # Its heartbeats would otherwise ask for the same refused announcement again and again.
            if self._leases.get(said.instance_id) is None:
                self._refused_until[said.instance_id] = self._clock.monotonic() + _REFUSED_SECONDS
            raise

    async def register(self, said: Announcement) -> None:
        """Announces over a call: epoch 0 means that the order of calls is the order of events.

        Raises:
            OloError: As `announce`; RegistrationRejected also where something newer of this instance is known.
        """
        if said.stamp.epoch == 0:
            said = replace(said, stamp=self._next_stamp(said.instance_id))
        outcome = await self.announce(said)
        if outcome is Outcome.RENEWED:
            # Who speaks over calls is not heard on the bus: watchers learn of the renewed lease from here.
            self._changes.mark([said.model_id])
        elif outcome is Outcome.STALE:
            known = self._leases.get(said.instance_id)
            if known is None or known.stamp != said.stamp:
                raise RegistrationRejected("something newer of this instance is known: epoch and seq must grow")
            self._leases.renew([said.instance_id], self._clock.monotonic())

    async def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Renews a lease; asks for announcements where the instance is unknown.

        Raises:
            InvalidField: A field is out of range.
        """
        validate_identity(heartbeat.instance_id, heartbeat.model_id, heartbeat.stamp, heartbeat.in_flight)
        outcome = self._leases.beat(heartbeat, self._clock.monotonic())
        if outcome is Outcome.CHANGED:
            self._changes.mark([heartbeat.model_id])
        elif outcome is Outcome.UNKNOWN:
            self._standing.conflicts.heard(heartbeat.instance_id, self._clock.monotonic())
            await self._ask(heartbeat.instance_id)
        if outcome is not Outcome.UNKNOWN and self._standing.drains.unheard(heartbeat):
            await self._announcer.request_drain(heartbeat.instance_id, heartbeat.model_id)

    async def leave(self, departure: Departure) -> None:
        """Ends a lease at once.

        Raises:
            InvalidField: The id is not one.
        """
        validate_instance_id(departure.instance_id)
        known = self._leases.get(departure.instance_id)
        if self._leases.leave(departure, self._clock.monotonic()) is Outcome.CHANGED and known is not None:
            self._gone([known])
        elif (contradicted := self._standing.conflicts.settle(departure.instance_id)) is not None:
            self._changes.mark([contradicted])

    async def deregister(self, instance_id: str) -> None:
        """Ends a lease at once.

        Raises:
            InstanceNotFound: There is none.
        """
        known = self._live(instance_id)
        await self.leave(Departure(instance_id, Stamp(known.stamp.epoch, known.stamp.seq + 1)))

    async def drain(self, *, instance_id: str = "", model_id: str = "") -> list[Instance]:
        """Has an instance, or all that a model has now, finish its work and take nothing new; gives those told.

        Raises:
            InvalidField: Neither is named, or both.
            InstanceNotFound: There is no such live instance, or the model has none.
        """
        if bool(instance_id) == bool(model_id):
            raise InvalidField("instance_id", "name either an instance or a model")
        told = [self._live(instance_id)] if instance_id else self._leases.of_model(model_id)
        if not told:
            raise InstanceNotFound("the model has no live instance", field="model_id")
        for instance in told:
            self._standing.drains.begin(instance)
        self._changes.mark({instance.model_id for instance in told})
        for instance in told:
            await self._announcer.request_drain(instance.instance_id, instance.model_id)
        return told

    def sweep(self, *, connected: bool) -> list[Instance]:
        """Ends the leases that have run out; silence counts only while the bus could be heard."""
        now = self._clock.monotonic()
        self._changes.mark(sorted(self._standing.quarantine.expire(now)))
        if not self._attention.unbroken(now, connected):
            self._leases.renew_all(now)
            return []
        self._refused_until = {key: until for key, until in self._refused_until.items() if until > now}
        self._changes.mark(sorted(self._standing.conflicts.expire(now)))
        over = self._leases.expire(now)
        self._gone(over)
        return over

    async def _admit(self, said: Announcement) -> Outcome:
        types = validate_announcement(said)
        async with self._curation.alone():
            if self._leases.is_stale(said.instance_id, said.stamp):
                return Outcome.STALE
            instance = instance_of(said, types, self._clock.now())
            if self._leases.get(said.instance_id) is None and len(self._leases) >= self._max_instances:
                raise RegistryFull("the registry holds as many instances as it may")
            sibling = self._leases.sibling(said.model_id, said.instance_id)
            if sibling is None:
                await self._curation.admit(said, types)
            else:
                self._agree(instance, sibling)
            # Looked up only now: while the model was stored, a lease may have ended.
            former = self._leases.get(said.instance_id)
            outcome = self._leases.announce(instance, self._clock.monotonic())
            if outcome is not Outcome.STALE:
                self._settle(instance, former)
            if outcome is Outcome.CHANGED:
                self._refused_until.pop(said.instance_id, None)
                self._changes.mark({said.model_id, former.model_id if former is not None else said.model_id})
            return outcome

    def _agree(self, instance: Instance, sibling: Instance) -> None:
        conflicts = contradictions(instance, sibling)
        if not conflicts:
            return
        if self._standing.conflicts.record(conflicts, self._clock.monotonic()):
            self._changes.mark([instance.model_id])
        raise RegistrationRejected(
            f"a live instance of this model has another {', '.join(conflict.field for conflict in conflicts)}",
            field=conflicts[0].field,
            metadata={"model_id": instance.model_id, "instance_id": sibling.instance_id},
        )

    def _settle(self, instance: Instance, former: Instance | None) -> None:
        """The lease of the instance stands: what was held against it is looked at again."""
        if (contradicted := self._standing.conflicts.settle(instance.instance_id)) is not None:
            self._changes.mark([contradicted])
        begins = former is None or former.stamp.epoch != instance.stamp.epoch
        moves = former is not None and (former.model_id, former.address) != (instance.model_id, instance.address)
        if former is not None and (begins or moves):
            self._standing.quarantine.ended(former)
        if begins or moves:
            self._standing.quarantine.began(instance, self._clock.monotonic())

    def _gone(self, instances: list[Instance]) -> None:
        for instance in instances:
            self._standing.quarantine.ended(instance)
        self._standing.drains.end(instances)
        self._changes.mark({instance.model_id for instance in instances})

    def _next_stamp(self, instance_id: str) -> Stamp:
        known = self._leases.get(instance_id)
        if known is not None:
            return Stamp(known.stamp.epoch, known.stamp.seq + 1)
        return Stamp(max(int(self._clock.now().timestamp() * 1000), 1), 1)

    def _live(self, instance_id: str) -> Instance:
        validate_instance_id(instance_id)
        if (known := self._leases.get(instance_id)) is None:
            raise InstanceNotFound("no live instance has this id", field="instance_id")
        return known

    async def _ask(self, instance_id: str) -> None:
        now = self._clock.monotonic()
        refused = self._refused_until.get(instance_id, now) > now
        if not refused and now - self._asked_at >= _REQUEST_PAUSE_SECONDS:
            self._asked_at = now
            await self._announcer.request_announcements()
