"""The registry: events and calls in, one consistent view of models and their live instances out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace

from olo_common.attention import Attention
from olo_common.errors import OloError
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.catalogue.entry import Entry, PolicyChange
from olo_registry.catalogue.validation import validate_announcement, validate_identity, validate_instance_id
from olo_registry.changes import Changes
from olo_registry.errors import InstanceNotFound, RegistrationRejected, RegistryFull
from olo_registry.leases.instance import Instance, instance_of
from olo_registry.leases.table import Leases, Outcome
from olo_registry.ports import Announcer, CatalogueStore, Clock
from olo_registry.types import Announcement, Departure, Heartbeat, ModelType, Stamp

_REQUEST_PAUSE_SECONDS = 1.0
_REFUSED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model as it is now."""

    entry: Entry
    instances: list[Instance]


@dataclass(frozen=True, slots=True)
class Update:
    """What a watcher gets: everything first, then what has changed, always in its newest state."""

    version: int
    registry_epoch: str
    snapshot: bool
    models: list[ModelView]


class Registry:
    """See the module.

    Args:
        catalogue: What the store holds.
        leases: Empty at start; filled by what the instances say.
        store: Where the catalogue is kept.
        announcer: How to ask the instances.
        clock: Time.
        max_instances: More than these are refused.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        leases: Leases,
        *,
        store: CatalogueStore,
        announcer: Announcer,
        clock: Clock,
        max_instances: int = 10_000,
    ) -> None:
        self._catalogue = catalogue
        self._leases = leases
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._max_instances = max_instances
        self._changes = Changes(uuid.uuid4().hex)
        self._attention = Attention(leases.lease_seconds / 2)
        self._writing = asyncio.Lock()
        self._asked_at = float("-inf")
        self._refused_until: dict[str, float] = {}
        self._registrations = 0

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
            self._registrations += 1
            epoch = max(int(self._clock.now().timestamp() * 1000), 1)
            known = self._leases.get(said.instance_id)
            if known is not None:
                epoch = max(epoch, known.stamp.epoch + 1)
            said = replace(said, stamp=Stamp(epoch, self._registrations))
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
            await self._ask(heartbeat.instance_id)

    async def leave(self, departure: Departure) -> None:
        """Ends a lease at once.

        Raises:
            InvalidField: The id is not one.
        """
        validate_instance_id(departure.instance_id)
        known = self._leases.get(departure.instance_id)
        if self._leases.leave(departure, self._clock.monotonic()) is Outcome.CHANGED and known is not None:
            self._changes.mark([known.model_id])

    async def deregister(self, instance_id: str) -> None:
        """Ends a lease at once.

        Raises:
            InstanceNotFound: There is none.
        """
        validate_instance_id(instance_id)
        known = self._leases.get(instance_id)
        if known is None:
            raise InstanceNotFound("no live instance has this id", field="instance_id")
        await self.leave(Departure(instance_id, Stamp(known.stamp.epoch, known.stamp.seq + 1)))

    async def update(self, model_id: str, change: PolicyChange) -> ModelView:
        """Sets the operator's policy.

        Raises:
            ModelNotFound: There is no such model.
            InvalidField: A value is out of range.
            Unavailable: It cannot be stored.
        """
        async with self._writing:
            await self._write(self._catalogue.changing(model_id, change, self._clock.now()))
        return self.model(model_id)

    def model(self, model_id: str) -> ModelView:
        """A model as it is now.

        Raises:
            ModelNotFound: There is no such model.
        """
        return ModelView(self._catalogue.get(model_id), self._leases.of_model(model_id))

    def models(self, after: str, size: int, model_type: ModelType | None) -> tuple[list[ModelView], bool]:
        """At most `size` models whose ids come after `after`, and whether there are more."""
        entries, more = self._catalogue.page(after, size, model_type)
        return [self.model(entry.model_id) for entry in entries], more

    async def watch(self) -> AsyncGenerator[Update, None]:
        """A snapshot, then each change; ends when the registry stops."""
        with self._changes.listener() as listener:
            yield self._update(self._catalogue.ids(), snapshot=True)
            while (changed := await listener.next()) is not None:
                yield self._update(changed, snapshot=False)

    def end_watches(self) -> None:
        """Ends every watch."""
        self._changes.close()

    async def publish_changes(self) -> None:
        """Tells each change on the bus, for ever."""
        with self._changes.listener() as listener:
            while (changed := await listener.next()) is not None:
                for model_id in changed:
                    await self._announcer.model_changed(model_id, self._changes.version, self._changes.epoch)

    def sweep(self, *, connected: bool) -> list[Instance]:
        """Ends the leases that have run out; silence counts only while the bus could be heard."""
        now = self._clock.monotonic()
        if not self._attention.unbroken(now, connected):
            self._leases.renew_all(now)
            return []
        self._refused_until = {key: until for key, until in self._refused_until.items() if until > now}
        over = self._leases.expire(now)
        self._changes.mark({instance.model_id for instance in over})
        return over

    async def _admit(self, said: Announcement) -> Outcome:
        types = validate_announcement(said)
        async with self._writing:
            if self._leases.is_stale(said.instance_id, said.stamp):
                return Outcome.STALE
            now = self._clock.now()
            instance = instance_of(said, types, now)
            former = self._leases.get(said.instance_id)
            if former is None and len(self._leases) >= self._max_instances:
                raise RegistryFull("the registry holds as many instances as it may")
            siblings = [i for i in self._leases.of_model(said.model_id) if i.instance_id != said.instance_id]
            _agree(instance, siblings)
            if not siblings:
                await self._write(self._catalogue.admitting(said, types, now))
            outcome = self._leases.announce(instance, self._clock.monotonic())
            if outcome is Outcome.CHANGED:
                self._refused_until.pop(said.instance_id, None)
                self._changes.mark({said.model_id, former.model_id if former is not None else said.model_id})
            return outcome

    async def _write(self, entries: list[Entry]) -> None:
        if entries:
            await self._store.save(entries)
            self._catalogue.apply(entries)
            self._changes.mark(entry.model_id for entry in entries)

    async def _ask(self, instance_id: str) -> None:
        now = self._clock.monotonic()
        refused = self._refused_until.get(instance_id, now) > now
        if not refused and now - self._asked_at >= _REQUEST_PAUSE_SECONDS:
            self._asked_at = now
            await self._announcer.request_announcements()

    def _update(self, model_ids: Iterable[str], *, snapshot: bool) -> Update:
        models = [self.model(model_id) for model_id in model_ids]
        return Update(self._changes.version, self._changes.epoch, snapshot, models)


def _agree(instance: Instance, siblings: list[Instance]) -> None:
    for other in siblings:
        if other.facts != instance.facts:
            raise RegistrationRejected(
                "a live instance of this model has another type, context limit or dimension",
                metadata={"model_id": instance.model_id, "instance_id": other.instance_id},
            )
