"""The fleet: catalogue and instances, ready to be chosen from at any moment.

Changes only mark what they concern; the next choice brings loads up to date. So a thousand heartbeats a second cost a
choice no more than the models that have changed since the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from olo_common.attention import Attention
from olo_common.errors import Unavailable
from olo_router.errors import NoModelAvailable
from olo_router.fleet.member import Member
from olo_router.fleet.members import Members
from olo_router.types import Alias, Attempt, CatalogueUpdate, Departure, Heartbeat, Load, Model

_IDLE = Load()


class Fleet:
    """See the module. Time is given by the caller, in seconds of a monotonic clock.

    Args:
        lease_seconds: An instance that was silent for so long is not chosen.
        max_snapshot_age_seconds: Without the registry for so long, nothing is chosen.
    """

    def __init__(self, lease_seconds: float, max_snapshot_age_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self.max_age = max_snapshot_age_seconds
        self.version = 0
        """Of the registry's last update."""
        self.registry_epoch = ""
        self.structure = 0
        """Grows whenever rankings must be built anew: policy has changed, or who is served at all."""
        self._models: dict[str, Model] = {}
        self._aliases: dict[str, Alias] = {}
        self._members = Members(lease_seconds)
        self._attention = Attention(lease_seconds / 2)
        self._loads: dict[str, Load] = {}
        self._concerned: set[str] = set()
        self._contact_lost_at: float | None = None

    @property
    def models(self) -> Mapping[str, Model]:
        """The catalogue by id."""
        return self._models

    @property
    def aliases(self) -> Mapping[str, Alias]:
        """What other names stand for."""
        return self._aliases

    @property
    def members(self) -> Iterator[Member]:
        """All instances that are known."""
        return iter(self._members)

    @property
    def size(self) -> int:
        """How many instances are known."""
        return len(self._members)

    def age(self, now: float) -> float:
        """Seconds since the registry was there; 0 while it is."""
        return 0.0 if self._contact_lost_at is None else max(0.0, now - self._contact_lost_at)

    def update(self, update: CatalogueUpdate, now: float) -> None:
        """Takes the registry's word."""
        self._contact_lost_at = None
        self.version, self.registry_epoch = update.version, update.registry_epoch
        removed = set(update.removed_model_ids)
        if update.snapshot:
            removed |= self._models.keys() - {model.model_id for model, _ in update.models}
            self._aliases.clear()
        for model_id in removed & self._models.keys():
            del self._models[model_id]
            self._members.drop_model(model_id)
            self._concerned.add(model_id)
            self.structure += 1
        for model, instances in update.models:
            if self._models.get(model.model_id) != model:
                self._models[model.model_id] = model
                self.structure += 1
            self._concerned |= self._members.list(model.model_id, instances, update.registry_epoch, now)
        for name in update.removed_aliases:
            self._aliases.pop(name, None)
        self._aliases.update((alias.name, alias) for alias in update.aliases)

    def registry_lost(self, now: float) -> None:
        """The registry is away; what is known stays in use for a while."""
        if self._contact_lost_at is None:
            self._contact_lost_at = now

    def beat(self, heartbeat: Heartbeat, now: float) -> None:
        """An instance is alive."""
        self._concerned |= self._members.beat(heartbeat, now)

    def leave(self, departure: Departure) -> None:
        """An instance has ended."""
        self._concerned |= self._members.leave(departure)

    def finish(self, attempt: Attempt) -> bool:
        """A request has ended at an instance; False where no such instance is known."""
        if not self._members.knows(attempt.instance_id, attempt.model_id):
            return False
        self._concerned |= self._members.finish(attempt.instance_id)
        return True

    def hand_out(self, instance_id: str, now: float) -> None:
        """A request is on its way to an instance, until that tells its end."""
        self._concerned |= self._members.hand_out(instance_id, now)

    def hold_broken(self, instance_ids: set[str]) -> None:
        """Keeps out the instances whose circuit breaker is open."""
        self._concerned |= self._members.hold_broken(instance_ids)

    def sweep(self, now: float, *, connected: bool) -> None:
        """Ends the leases that have run out; silence counts only while the bus could be heard."""
        if self._attention.unbroken(now, connected):
            self._concerned |= self._members.expire(now)
        else:
            self._concerned |= self._members.renew_all(now)

    def check(self, now: float) -> None:
        """Whether anything may be chosen.

        Raises:
            Unavailable: Nothing is known yet.
            NoModelAvailable: Nothing recent is known.
        """
        if not self.registry_epoch:
            raise Unavailable("the router does not know the models yet", retry_after=1.0)
        if self.age(now) > self.max_age:
            raise NoModelAvailable("the registry has been away for too long")

    def loads(self) -> Mapping[str, Load]:
        """How busy each model is, up to date."""
        for model_id in self._concerned:
            before = self._loads.get(model_id, _IDLE)
            if model_id not in self._models:
                self._loads.pop(model_id, None)
                continue
            load = self._loads[model_id] = self._members.load_of(model_id)
            if _standing(before) != _standing(load):
                self.structure += 1
        self._concerned.clear()
        return self._loads


def _standing(load: Load) -> tuple[bool, bool, bool]:
    """What a ranking goes by."""
    return load.ready > 0, load.draining > 0, load.held > 0
