"""RouterService over gRPC."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from olo.common.v1 import common_pb2
from olo.router.v1 import router_service_pb2 as pb
from olo.router.v1 import router_service_pb2_grpc as pb_grpc
from olo_common.errors import InvalidField
from olo_router.routing import Routing
from olo_router.selection.request import DEFAULT_MAX_CANDIDATES, Candidate, Reason, Rejection, Request
from olo_router.types import ModelType

Context = grpc.aio.ServicerContext[Any, Any]

_MODEL_TYPES = {
    common_pb2.MODEL_TYPE_UNSPECIFIED: ModelType.LLM,
    common_pb2.MODEL_TYPE_LLM: ModelType.LLM,
    common_pb2.MODEL_TYPE_EMBEDDING: ModelType.EMBEDDING,
}
_REASONS = {
    Reason.REQUESTED: pb.SELECTION_REASON_REQUESTED,
    Reason.DEFAULT: pb.SELECTION_REASON_DEFAULT,
    Reason.PRIORITY: pb.SELECTION_REASON_PRIORITY,
    Reason.AVAILABLE: pb.SELECTION_REASON_AVAILABLE,
}


class RouterServicer(pb_grpc.RouterServiceServicer):
    """Translates and calls inward."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    async def SelectModels(  # noqa: N802  # the name in the contract
        self, request: pb.SelectModelsRequest, context: Context
    ) -> pb.SelectModelsResponse:
        """Returns the candidates, best first."""
        selection, version, age = self._routing.select(_request(request))
        return pb.SelectModelsResponse(
            candidates=[_candidate(candidate) for candidate in selection.candidates],
            rejections=[_rejection(rejection) for rejection in selection.rejections],
            snapshot_version=version,
            snapshot_age=_duration(age),
        )


def _request(message: pb.SelectModelsRequest) -> Request:
    if message.model_type not in _MODEL_TYPES:
        raise InvalidField("model_type", "must be LLM or EMBEDDING")
    return Request(
        model_type=_MODEL_TYPES[message.model_type],
        model=message.model,
        min_context=message.min_context,
        max_candidates=message.max_candidates or DEFAULT_MAX_CANDIDATES,
        allow_fallback=message.allow_fallback,
    )


def _candidate(candidate: Candidate) -> pb.Candidate:
    model, load = candidate.model, candidate.load
    return pb.Candidate(
        model_id=model.model_id,
        task_queue=model.task_queue,
        score=candidate.score,
        reason=_REASONS[candidate.reason],
        explanation=candidate.explanation,
        address=load.best_address,
        context_limit=model.context_limit,
        free_slots=load.free_slots,
        embedding_dimension=model.embedding_dimension,
        at_capacity=load.at_capacity,
    )


def _rejection(rejection: Rejection) -> pb.Rejection:
    return pb.Rejection(model_id=rejection.model_id, filter=rejection.filter, detail=rejection.detail)


def _duration(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message
