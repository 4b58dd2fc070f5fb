"""Answers in the dialect."""

from __future__ import annotations

from typing import Final, Literal

from google.protobuf.duration_pb2 import Duration

from olo.common.v1 import common_pb2
from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ModelSummary
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_LENGTH, FinishReason
from olo.router.v1.router_service_pb2 import ScoreComponent, SelectionReason
from olo_common.durations import seconds_of
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.convert import cause_name
from olo_gateway.errors import RunNotFound
from olo_gateway.http import schemas
from olo_gateway.http.rag import annotations_of, citation_of, grounding_of

_SCORE_DIGITS: Final = 4


_COMPLETION: Final = "chatcmpl-"


def completion_id(run_id: str) -> str:
    """The id of an answer, spelled as clients expect it."""
    return _COMPLETION + run_id


def run_id_of(completion_id: str) -> str:
    """The run whose answer has this id.

    Raises:
        RunNotFound: No answer has such an id.
    """
    run_id = completion_id.removeprefix(_COMPLETION)
    if run_id == completion_id or not is_valid(REQUEST_ID, run_id):
        raise RunNotFound
    return run_id


def completion_of(response: ChatResponse, created: int) -> schemas.ChatCompletion:
    """A whole answer."""
    return schemas.ChatCompletion(
        id=completion_id(response.run_id),
        created=created,
        model=response.model,
        choices=[
            schemas.Choice(
                message=schemas.AnswerMessage(content=response.message.content, annotations=annotations_of(response)),
                finish_reason=finish_reason_of(response.finish_reason),
            )
        ],
        usage=usage_of(response.usage),
        olo=details_of(response),
    )


def details_of(response: ChatResponse) -> schemas.RunDetails:
    """What the gateway tells beside the answer."""
    timings = response.timings
    return schemas.RunDetails(
        run_id=response.run_id,
        model=response.model,
        selection=_selection_of(response.selection),
        citations=[citation_of(citation) for citation in response.citations],
        grounding=grounding_of(response),
        timings=schemas.Timings(
            retrieve=_milliseconds(timings.retrieve),
            select=_milliseconds(timings.select),
            generate=_milliseconds(timings.generate),
            total=_milliseconds(timings.total),
            queue=_milliseconds(timings.queue),
            parked=_milliseconds(timings.parked),
        ),
        attempts=[attempt_of(attempt) for attempt in response.attempts],
    )


def attempt_of(attempt: run_pb2.Attempt) -> schemas.Attempt:
    """One try of one candidate."""
    return schemas.Attempt(
        candidate=attempt.candidate,
        model_id=attempt.model_id,
        failure_reason=attempt.failure_reason or None,
        cause=cause_name(attempt.cause) if attempt.cause else None,
        duration=_milliseconds(attempt.duration),
    )


def usage_of(usage: TokenUsage) -> schemas.Usage:
    """The tokens that were used."""
    return schemas.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details={"cached_tokens": usage.cached_tokens},
    )


def finish_reason_of(reason: FinishReason) -> Literal["stop", "length"]:
    """Why the answer ended, in the two words that clients know for it."""
    return "length" if reason == FINISH_REASON_LENGTH else "stop"


def model_of(model: ModelSummary) -> schemas.Model:
    """A model of the list."""
    kinds: dict[int, Literal["llm", "embedding"]] = {
        common_pb2.MODEL_TYPE_LLM: "llm",
        common_pb2.MODEL_TYPE_EMBEDDING: "embedding",
    }
    return schemas.Model(
        id=model.model_id,
        created=model.create_time.seconds,
        name=model.model_name,
        type=kinds.get(model.model_type, "unknown"),
        context_length=model.context_limit,
        priority=model.priority,
        default=model.default_flag,
        available=model.available,
        instances=model.instances,
    )


def _selection_of(selection: run_pb2.Selection) -> schemas.Selection:
    return schemas.Selection(
        chosen_index=selection.chosen_index,
        candidates=[
            schemas.Candidate(
                model_id=candidate.model_id,
                score=round(candidate.score, _SCORE_DIGITS),
                reason=SelectionReason.Name(candidate.reason).removeprefix("SELECTION_REASON_").lower(),
                explanation=candidate.explanation,
                at_capacity=candidate.at_capacity,
                components=[component_of(part) for part in candidate.components],
            )
            for candidate in selection.candidates
        ],
        rejections=[
            schemas.Rejection(model_id=rejection.model_id, filter=rejection.filter, detail=rejection.detail)
            for rejection in selection.rejections
        ],
        profile=selection.profile,
        snapshot_version=selection.snapshot_version,
        alias=selection.alias or None,
        complexity=round(selection.complexity.score, _SCORE_DIGITS) if selection.HasField("complexity") else None,
        mirrored_to=None if selection.shadow.skipped else selection.shadow.model_id or None,
    )


def component_of(part: ScoreComponent) -> schemas.ScoreComponent:
    """A part of a score."""
    return schemas.ScoreComponent(
        name=part.name,
        value=round(part.value, _SCORE_DIGITS),
        weight=round(part.weight, _SCORE_DIGITS),
        detail=part.detail,
    )


def _milliseconds(duration: Duration) -> float:
    return round(seconds_of(duration) * 1000, 3)
