"""RouterService over gRPC."""

from __future__ import annotations

from typing import Any, Final

import grpc

from olo.router.v1 import router_service_pb2 as pb
from olo.router.v1 import router_service_pb2_grpc as pb_grpc
from olo_common.errors import InvalidField
from olo_router.breaking.breaker import State
from olo_router.convert import (
    MAX_REJECTIONS,
    component_message,
    duration,
    model_type_of,
    rejection_message,
    selection_message,
    wish_of,
)
from olo_router.errors import ModelUnavailable, NoModelAvailable
from olo_router.routing import Routing
from olo_router.telemetry import DECISIONS, UNSERVED

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000
_MAX_BREAKERS: Final = 1000
_STATES: Final = {
    State.CLOSED: pb.BREAKER_STATE_CLOSED,
    State.OPEN: pb.BREAKER_STATE_OPEN,
    State.HALF_OPEN: pb.BREAKER_STATE_HALF_OPEN,
}

Context = grpc.aio.ServicerContext[Any, Any]


class RouterServicer(pb_grpc.RouterServiceServicer):
    """Translates and calls inward."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    async def SelectModels(self, request: pb.SelectModelsRequest, context: Context) -> pb.SelectModelsResponse:
        """Returns the candidates, best first."""
        try:
            decision = self._routing.select(wish_of(request))
        except (ModelUnavailable, NoModelAvailable) as error:
            UNSERVED.add(model=error.model_id if isinstance(error, ModelUnavailable) else "")
            raise
        candidates = decision.selection.candidates
        DECISIONS.add(profile=decision.profile, model=candidates[0].model.model_id if candidates else "")
        return selection_message(decision)

    async def ExplainSelection(
        self, request: pb.ExplainSelectionRequest, context: Context
    ) -> pb.ExplainSelectionResponse:
        """Decides, and hands nothing out. Says not where the instances are: that is for who sends them requests."""
        request.request.tenant = request.tenant or request.request.tenant
        selection = selection_message(self._routing.explain(wish_of(request.request)))
        for candidate in selection.candidates:
            candidate.ClearField("address")
        return pb.ExplainSelectionResponse(selection=selection)

    async def ListRankings(self, request: pb.ListRankingsRequest, context: Context) -> pb.ListRankingsResponse:
        """Returns the order of all models under a profile."""
        limit = request.limit or _DEFAULT_LIMIT
        if limit > _MAX_LIMIT:
            raise InvalidField("limit", f"must be from 1 to {_MAX_LIMIT}")
        name, ranking, version, age = self._routing.rankings(
            request.profile, model_type_of(request.model_type), request.tenant
        )
        return pb.ListRankingsResponse(
            profile=name,
            models=[
                pb.RankedModel(
                    rank=place,
                    model_id=model.model_id,
                    score=ranking.worths[model.model_id],
                    components=[component_message(part) for part in ranking.components.get(model.model_id, ())],
                )
                for place, model in enumerate(ranking.ordered[:limit], 1)
            ],
            rejections=[rejection_message(rejection) for rejection in ranking.rejections[:MAX_REJECTIONS]],
            snapshot_version=version,
            snapshot_age=duration(age),
        )

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """Says what this router knows."""
        status, profiles = self._routing.status(), self._routing.chooser.profiles
        return pb.GetStatusResponse(
            serving=not status.problem,
            detail=status.problem,
            snapshot_version=status.version,
            snapshot_age=duration(status.age),
            max_snapshot_age=duration(status.max_age),
            registry_epoch=status.registry_epoch,
            models=status.models,
            instance_count=status.instance_count,
            instances=[
                pb.InstanceStatus(
                    instance_id=each.instance_id,
                    model_id=each.model_id,
                    state=each.state,
                    max_concurrency=each.max_concurrency,
                    in_flight=each.in_flight,
                    silence=duration(each.silence),
                )
                for each in status.instances
            ],
            breakers=[
                pb.BreakerStatus(
                    model_id=each.model_id,
                    instance_id=each.instance_id,
                    state=_STATES[each.state],
                    failures=each.failures,
                    open_for=duration(each.open_for),
                    last_failure=each.last_failure,
                )
                for each in status.breakers[:_MAX_BREAKERS]
            ],
            profiles=[
                pb.Profile(
                    name=each.name, quality=each.quality, latency=each.latency, cost=each.cost, context=each.context
                )
                for each in profiles.all
            ],
            events_connected=status.events_connected,
            default_profile=profiles.default,
        )
