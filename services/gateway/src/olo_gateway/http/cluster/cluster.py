"""Asks registry, router and Temporal, and puts together what they say. A part that is away leaves null behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from olo.registry.v1 import registry_service_pb2 as registry
from olo_common.durations import seconds_of
from olo_common.errors import OloError
from olo_common.health import Health
from olo_common.temporal import TEMPORAL_CONDITION
from olo_gateway.http.cluster import schemas, views
from olo_gateway.http.routing_answers import breakers_of
from olo_gateway.ports import Backlogs, Fleet, Routing
from olo_gateway.runs.admission.admission import Admission

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whom the cluster calls ask."""

    fleet: Fleet
    routing: Routing
    backlogs: Backlogs
    admission: Admission
    health: Health

    async def models(self) -> schemas.ClusterModels:
        """All models with their instances.

        Raises:
            OloError: The registry is away.
        """
        models, status = await asyncio.gather(self.fleet.models(), _or_none(self.routing.status()))
        silences = views.silences_of(status)
        return schemas.ClusterModels(models=[views.cluster_model(model, silences) for model in models])

    async def nodes(self) -> list[schemas.Node]:
        """The machines.

        Raises:
            OloError: The registry is away.
        """
        return views.nodes_of(await self.fleet.models())

    async def status(self) -> schemas.ClusterStatus:
        """How it all is."""
        models, router = await asyncio.gather(_or_none(self.fleet.models()), _or_none(self.routing.status()))
        instances = None if models is None else [each for model in models for each in model.instances]
        parts = self._parts(registry=models is not None, router=router is not None and router.serving)
        return schemas.ClusterStatus(
            status=self._word(parts, models),
            parts=parts,
            nodes=None if models is None else len(views.nodes_of(models)),
            models=None if models is None else len(models),
            models_available=None if models is None else sum(map(views.is_available, models)),
            instances=None if instances is None else len(instances),
            instances_ready=None
            if instances is None
            else sum(each.state == registry.INSTANCE_STATE_READY for each in instances),
            max_concurrency=None if instances is None else sum(each.max_concurrency for each in instances),
            in_flight=None if instances is None else sum(each.in_flight for each in instances),
            snapshot_age=None if router is None else round(seconds_of(router.snapshot_age), 3),
        )

    async def checked(self) -> schemas.Health:
        """The health of parts and machines."""
        models, router = await asyncio.gather(_or_none(self.fleet.models()), _or_none(self.routing.status()))
        parts = self._parts(registry=models is not None, router=router is not None and router.serving)
        return schemas.Health(
            status=self._word(parts, models),
            parts=parts,
            nodes=None if models is None else views.nodes_of(models),
        )

    async def metrics(self) -> schemas.ClusterMetrics:
        """What was measured, and how full this gateway is."""
        known = await _or_none(self.fleet.measurements())
        whole = None if known is None else [views.measured(each) for each in known if not each.instance_id]
        return schemas.ClusterMetrics(models=whole, admission=self.admitted())

    async def performance(self) -> schemas.Performance:
        """What was measured of models and instances, and what broke."""
        known, router = await asyncio.gather(_or_none(self.fleet.measurements()), _or_none(self.routing.status()))
        figures = None if known is None else [views.measured(each) for each in known]
        return schemas.Performance(
            models=None if figures is None else [each for each in figures if each.instance_id is None],
            instances=None if figures is None else [each for each in figures if each.instance_id is not None],
            breakers=None if router is None else breakers_of(router),
        )

    async def queues(self) -> schemas.QueueStatus:
        """What waits, here and in Temporal."""
        models = await _or_none(self.fleet.models())
        if models is None:
            return schemas.QueueStatus(admission=self.admitted(), queues=None)
        backlogs = await self.backlogs.of([model.task_queue for model in models if model.task_queue])
        return schemas.QueueStatus(admission=self.admitted(), queues=views.queues_of(models, backlogs))

    def admitted(self) -> schemas.Admission:
        """How full this gateway is."""
        refused = {priority.name.lower(): count for priority, count in sorted(self.admission.refused.items())}
        return schemas.Admission(
            in_flight=self.admission.in_flight,
            limit=self.admission.limit,
            parked=self.admission.parked,
            refused=refused,
        )

    def _parts(self, *, registry: bool, router: bool) -> schemas.Parts:
        temporal = TEMPORAL_CONDITION not in self.health.missing
        return schemas.Parts(gateway=self.health.serving, temporal=temporal, registry=registry, router=router)

    def _word(
        self, parts: schemas.Parts, models: Sequence[registry.Model] | None
    ) -> Literal["ok", "degraded", "unavailable"]:
        if not parts.gateway:
            return "unavailable"
        answers = any(views.is_available(model) and views.is_text(model) for model in models or ())
        return "ok" if parts.registry and parts.router and answers else "degraded"


async def _or_none(asked: Awaitable[T]) -> T | None:
    """What a part says; None while it says nothing: what the others say is worth telling."""
    try:
        return await asked
    except OloError:
        return None
