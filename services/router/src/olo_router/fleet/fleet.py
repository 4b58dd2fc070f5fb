"""The fleet: catalogue and instances, ready to be chosen from at any moment.

Changes only mark what they concern; the next choice brings loads and rankings up to date. So a thousand heartbeats a
second cost a choice no more than the models that have changed since the last one.
"""

from __future__ import annotations

from collections.abc import Iterable

from olo_common.attention import Attention
from olo_common.errors import Unavailable
from olo_router.errors import NoModelAvailable
from olo_router.fleet.members import Members
from olo_router.selection.ranking import Ranking, rank
from olo_router.selection.request import Request, Selection
from olo_router.selection.select import select
from olo_router.types import CatalogueUpdate, Departure, Heartbeat, Load, Model, ModelType

_IDLE = Load()


class Fleet:
    """See the module. Time is given by the caller, in seconds of a monotonic clock.

    Args:
        lease_seconds: An instance that was silent for so long is not chosen.
        max_snapshot_age_seconds: Without the registry for so long, nothing is chosen.
    """

    def __init__(self, lease_seconds: float, max_snapshot_age_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._max_age = max_snapshot_age_seconds
        self._models: dict[str, Model] = {}
        self._members = Members(lease_seconds)
        self._attention = Attention(lease_seconds / 2)
        self._loads: dict[str, Load] = {}
        self._rankings: dict[ModelType, Ranking] = {}
        self._concerned: set[str] = set()
        self._version = 0
        self._has_snapshot = False
        self._contact_lost_at: float | None = None

    @property
    def version(self) -> int:
        """Version of the registry's last update."""
        return self._version

    def age(self, now: float) -> float:
        """Seconds since the registry was there; 0 while it is."""
        return 0.0 if self._contact_lost_at is None else max(0.0, now - self._contact_lost_at)

    def update(self, update: CatalogueUpdate, now: float) -> None:
        """Takes the registry's word."""
        self._contact_lost_at, self._version, self._has_snapshot = None, update.version, True
        removed = set(update.removed_model_ids)
        if update.snapshot:
            removed |= self._models.keys() - {model.model_id for model, _ in update.models}
        for model_id in removed & self._models.keys():
            del self._models[model_id]
            self._members.drop_model(model_id)
            self._concerned.add(model_id)
        for model, instances in update.models:
            if self._models.get(model.model_id) != model:
                self._models[model.model_id] = model
                self._rankings.clear()
            self._concerned |= self._members.list(model.model_id, instances, update.registry_epoch, now)
        if removed:
            self._rankings.clear()

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

    def finish(self, instance_id: str) -> None:
        """A request has ended at an instance."""
        self._concerned |= self._members.finish(instance_id)

    def sweep(self, now: float, *, connected: bool) -> None:
        """Ends the leases that have run out; silence counts only while the bus could be heard."""
        if self._attention.unbroken(now, connected):
            self._concerned |= self._members.expire(now)
        else:
            self._concerned |= self._members.renew_all(now)

    def select(self, request: Request, now: float) -> Selection:
        """Decides, and counts a request for text as on its way to the first candidate, until that tells its end.

        Raises:
            OloError: As `selection.select`; NoModelAvailable also while nothing recent is known; Unavailable
                while nothing is known yet.
        """
        if not self._has_snapshot:
            raise Unavailable("the router does not know the models yet", retry_after=1.0)
        if self.age(now) > self._max_age:
            raise NoModelAvailable("the registry has been away for too long")
        self._refresh(self._concerned)
        selection = select(self._models, self._ranking(request.model_type), self._loads, request)
        if request.model_type is ModelType.LLM:
            first = selection.candidates[0]
            self._concerned |= self._members.hand_out(first.load.best_instance_id, now)
        return selection

    def _refresh(self, concerned: Iterable[str]) -> None:
        for model_id in concerned:
            known = model_id in self._models
            before = self._loads.get(model_id, _IDLE)
            load = self._members.load_of(model_id) if known else _IDLE
            self._loads[model_id] = load
            if (before.ready > 0, before.draining > 0) != (load.ready > 0, load.draining > 0):
                self._rankings.clear()
            if not known:
                del self._loads[model_id]
        self._concerned = set()

    def _ranking(self, model_type: ModelType) -> Ranking:
        ranking = self._rankings.get(model_type)
        if ranking is None:
            ranking = rank(self._models.values(), self._loads, model_type)
            self._rankings[model_type] = ranking
        return ranking
