"""Messages to plain values and back."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from olo.common.v1 import common_pb2
from olo.router.v1 import router_service_pb2 as pb
from olo_common.durations import duration_of, seconds_of
from olo_common.errors import InvalidField
from olo_router.choosing import Decision, Wish
from olo_router.selection.complexity import MAX_TEXT, Complexity, Prompt
from olo_router.selection.constraints import NONE, Constraints
from olo_router.selection.request import (
    DEFAULT_COMPLETION_TOKENS,
    DEFAULT_MAX_CANDIDATES,
    Candidate,
    Reason,
    Rejection,
    Request,
    Shadow,
)
from olo_router.selection.scoring import Component
from olo_router.types import ModelType

MAX_REJECTIONS: Final = 100
MAX_CANDIDATES: Final = 100
_MAX_ID: Final = 256
_MAX_TOKENS: Final = 10_000_000
_MAX_PROFILE: Final = 64
_LONGEST_WAIT: Final = 86_400.0

_MODEL_TYPES: Final = {
    common_pb2.MODEL_TYPE_UNSPECIFIED: ModelType.LLM,
    common_pb2.MODEL_TYPE_LLM: ModelType.LLM,
    common_pb2.MODEL_TYPE_EMBEDDING: ModelType.EMBEDDING,
}
_HARDWARE: Final = {
    common_pb2.HARDWARE_TYPE_UNSPECIFIED: "",
    common_pb2.HARDWARE_TYPE_CPU: "cpu",
    common_pb2.HARDWARE_TYPE_GPU: "gpu",
}
_REASONS: Final = {
    Reason.REQUESTED: pb.SELECTION_REASON_REQUESTED,
    Reason.DEFAULT: pb.SELECTION_REASON_DEFAULT,
    Reason.PRIORITY: pb.SELECTION_REASON_PRIORITY,
    Reason.AVAILABLE: pb.SELECTION_REASON_AVAILABLE,
    Reason.PROFILE: pb.SELECTION_REASON_PROFILE,
    Reason.CONVERSATION: pb.SELECTION_REASON_CONVERSATION,
}


def wish_of(message: pb.SelectModelsRequest) -> Wish:
    """What is asked for.

    Raises:
        InvalidField: A value is out of range.
    """
    for field in ("profile", "request_id", "conversation_id", "affinity_key", "tenant"):
        if len(getattr(message, field)) > (limit := _MAX_PROFILE if field == "profile" else _MAX_ID):
            raise InvalidField(field, f"at most {limit} characters are allowed")
    for field in ("prompt_tokens", "completion_tokens"):
        if getattr(message, field) > _MAX_TOKENS:
            raise InvalidField(field, f"must be at most {_MAX_TOKENS}")
    prompt = message.prompt
    return Wish(
        Request(
            model_type=model_type_of(message.model_type),
            model=message.model,
            min_context=message.min_context,
            max_candidates=min(message.max_candidates or DEFAULT_MAX_CANDIDATES, MAX_CANDIDATES),
            allow_fallback=message.allow_fallback,
            constraints=_constraints(message.constraints) if message.HasField("constraints") else NONE,
            tenant=message.tenant,
            # Who gives no id is drawn for anew each time.
            request_id=message.request_id or uuid.uuid4().hex,
            affinity_key=message.affinity_key,
            deadline=_seconds(message.deadline) if message.HasField("deadline") else None,
            prompt_tokens=message.prompt_tokens,
            completion_tokens=message.completion_tokens or DEFAULT_COMPLETION_TOKENS,
        ),
        profile=message.profile,
        prompt=Prompt(prompt.text[:MAX_TEXT], prompt.characters, prompt.turns, prompt.grounded)
        if message.HasField("prompt")
        else None,
        conversation_id=message.conversation_id,
    )


def model_type_of(number: common_pb2.ModelType) -> ModelType:
    """The type that is asked for; text where none is said.

    Raises:
        InvalidField: There is no such type.
    """
    if number not in _MODEL_TYPES:
        raise InvalidField("model_type", "must be LLM or EMBEDDING")
    return _MODEL_TYPES[number]


def selection_message(decision: Decision) -> pb.SelectModelsResponse:
    """A decision."""
    selection = decision.selection
    return pb.SelectModelsResponse(
        candidates=[_candidate(candidate) for candidate in selection.candidates],
        rejections=[rejection_message(rejection) for rejection in selection.rejections[:MAX_REJECTIONS]],
        rejection_count=len(selection.rejections),
        snapshot_version=decision.version,
        snapshot_age=duration(decision.age),
        profile=decision.profile,
        complexity=None if decision.complexity is None else _complexity(decision.complexity),
        alias=selection.alias,
        shadow=None if selection.shadow is None else _shadow(selection.shadow),
    )


def rejection_message(rejection: Rejection) -> pb.Rejection:
    """A model that may not answer."""
    return pb.Rejection(model_id=rejection.model_id, filter=rejection.filter, detail=rejection.detail)


def component_message(part: Component) -> pb.ScoreComponent:
    """A part of a score."""
    return pb.ScoreComponent(name=part.name, value=part.value, weight=part.weight, detail=part.detail)


def duration(seconds: float) -> Duration:
    """Seconds as a message."""
    return duration_of(timedelta(seconds=min(seconds, _LONGEST_WAIT)))


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
        components=[component_message(part) for part in candidate.components],
        predicted_wait=duration(candidate.wait) if candidate.wait else None,
    )


def _shadow(shadow: Shadow) -> pb.Shadow:
    return pb.Shadow(model_id=shadow.model_id, task_queue=shadow.task_queue, skipped=shadow.skipped)


def _complexity(complexity: Complexity) -> pb.Complexity:
    return pb.Complexity(
        complex=complexity.is_complex,
        score=complexity.score,
        features=[
            pb.Feature(name=each.name, value=each.value, contribution=each.contribution) for each in complexity.features
        ],
    )


def _constraints(message: pb.Constraints) -> Constraints:
    if message.hardware_type not in _HARDWARE:
        raise InvalidField("constraints.hardware_type", "must be CPU or GPU")
    labels: Mapping[str, str] = message.labels
    constraints = Constraints(
        min_quality=message.min_quality if message.HasField("min_quality") else None,
        max_seconds=_seconds(message.max_latency) if message.HasField("max_latency") else None,
        max_cost=message.max_cost_per_1k_tokens if message.HasField("max_cost_per_1k_tokens") else None,
        min_context=message.min_context,
        hardware=_HARDWARE[message.hardware_type],
        labels=frozenset(labels.items()),
        capabilities=frozenset(message.capabilities),
    )
    constraints.check()
    return NONE if constraints == NONE else constraints


def _seconds(message: Duration) -> float:
    seconds = seconds_of(message)
    return seconds if math.isfinite(seconds) else 0.0
