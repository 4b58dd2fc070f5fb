"""GET /v1/rankings and GET /v1/status: what the router knows and would do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING, MODEL_TYPE_LLM
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1.router_service_pb2 import (
    BreakerState,
    GetStatusResponse,
    ListRankingsRequest,
    ListRankingsResponse,
)
from olo_common.durations import seconds_of
from olo_gateway.access.caller import tenant
from olo_gateway.http import routing_schemas as schemas
from olo_gateway.http.answers import component_of
from olo_gateway.http.details_schemas import Rejection
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Routing

_TYPES: Final = {"llm": MODEL_TYPE_LLM, "embedding": MODEL_TYPE_EMBEDDING}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "There is no such profile.", **AN_ERROR},
    503: {"description": "The router is away, or knows nothing recent.", **AN_ERROR},
}


def routing_routes(routing: Routing) -> APIRouter:
    """The routes about routing."""
    router = APIRouter(tags=["routing"])

    @router.get("/v1/rankings", summary="Rank the models under a profile", responses=_ERRORS)
    async def rankings(
        profile: Annotated[str, Query(max_length=64, description="Empty: the router's default.")] = "",
        type: Annotated[Literal["llm", "embedding"], Query(description="What the models do.")] = "llm",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> schemas.Rankings:
        request = ListRankingsRequest(profile=profile, model_type=_TYPES[type], limit=limit, tenant=tenant())
        return _rankings(await routing.rankings(request))

    @router.get(
        "/v1/status", summary="Show instances, circuit breakers and the age of what is known", responses=_ERRORS
    )
    async def status() -> schemas.RoutingStatus:
        return _status(await routing.status(), await routing.syncs())

    return router


def _rankings(message: ListRankingsResponse) -> schemas.Rankings:
    return schemas.Rankings(
        profile=message.profile,
        models=[
            schemas.RankedModel(
                rank=each.rank,
                model_id=each.model_id,
                score=round(each.score, 4),
                components=[component_of(part) for part in each.components],
            )
            for each in message.models
        ],
        rejections=[
            Rejection(model_id=each.model_id, filter=each.filter, detail=each.detail) for each in message.rejections
        ],
        snapshot_version=message.snapshot_version,
        snapshot_age=seconds_of(message.snapshot_age),
    )


def _status(message: GetStatusResponse, syncs: Sequence[BenchmarkSource] | None) -> schemas.RoutingStatus:
    return schemas.RoutingStatus(
        serving=message.serving,
        detail=message.detail,
        snapshot_version=message.snapshot_version,
        snapshot_age=seconds_of(message.snapshot_age),
        max_snapshot_age=seconds_of(message.max_snapshot_age),
        models=message.models,
        instance_count=message.instance_count,
        instances=[
            schemas.InstanceStatus(
                instance_id=each.instance_id,
                model_id=each.model_id,
                state=each.state,
                max_concurrency=each.max_concurrency,
                in_flight=each.in_flight,
                silence=round(seconds_of(each.silence), 3),
            )
            for each in message.instances
        ],
        breakers=[
            schemas.BreakerStatus(
                model_id=each.model_id,
                instance_id=each.instance_id or None,
                state=BreakerState.Name(each.state).removeprefix("BREAKER_STATE_").lower(),
                failures=each.failures,
                open_for=round(seconds_of(each.open_for), 3),
                last_failure=each.last_failure,
            )
            for each in message.breakers
        ],
        profiles=[
            schemas.ProfileWeights(
                name=each.name, quality=each.quality, latency=each.latency, cost=each.cost, context=each.context
            )
            for each in message.profiles
        ],
        default_profile=message.default_profile,
        events_connected=message.events_connected,
        syncs=None if syncs is None else [_sync(each) for each in syncs],
    )


def _sync(source: BenchmarkSource) -> schemas.SyncStatus:
    fetched = source.fetch_time.seconds if source.HasField("fetch_time") else None
    return schemas.SyncStatus(
        source=source.source,
        records=source.records,
        age=None if fetched is None else max(0.0, round(time.time() - fetched)),
        problem=source.problem,
    )
