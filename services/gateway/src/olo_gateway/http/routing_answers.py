"""What the router says, as the calls about routing and the cluster show it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1.router_service_pb2 import BreakerState, GetStatusResponse, ListRankingsResponse
from olo_common.durations import seconds_of
from olo_gateway.http import routing_schemas as schemas
from olo_gateway.http.answers import component_of
from olo_gateway.http.details_schemas import Rejection


def rankings_of(message: ListRankingsResponse) -> schemas.Rankings:
    """The order of the models, and who is not in it."""
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


def status_of(message: GetStatusResponse, syncs: Sequence[BenchmarkSource] | None) -> schemas.RoutingStatus:
    """What the router stands on, and the age of the benchmarks; None: nobody says it now."""
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
        breakers=breakers_of(message),
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


def breakers_of(status: GetStatusResponse) -> list[schemas.BreakerStatus]:
    """The circuit breakers."""
    return [
        schemas.BreakerStatus(
            model_id=each.model_id,
            instance_id=each.instance_id or None,
            state=BreakerState.Name(each.state).removeprefix("BREAKER_STATE_").lower(),
            failures=each.failures,
            open_for=round(seconds_of(each.open_for), 3),
            last_failure=each.last_failure,
        )
        for each in status.breakers
    ]


def _sync(source: BenchmarkSource) -> schemas.SyncStatus:
    fetched = source.fetch_time.seconds if source.HasField("fetch_time") else None
    return schemas.SyncStatus(
        source=source.source,
        records=source.records,
        age=None if fetched is None else max(0.0, round(time.time() - fetched)),
        problem=source.problem,
    )
