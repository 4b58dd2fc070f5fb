"""Answers in the dialect."""

from __future__ import annotations

from typing import Any, Final, Literal

from google.protobuf.duration_pb2 import Duration

from olo.common.v1 import common_pb2
from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ModelSummary
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_TOOL_CALLS,
    Alternative,
    FinishReason,
    TokenLogprob,
)
from olo.router.v1.router_service_pb2 import ScoreComponent, SelectionReason
from olo_common.durations import seconds_of
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.convert.runs import cause_name
from olo_gateway.errors import RunNotFound
from olo_gateway.http import chat_schemas, details_schemas, model_schemas
from olo_gateway.http.rag import annotations_of, citation_of, grounding_of
from olo_gateway.http.rag_schemas import Annotation
from olo_gateway.http.tool_schemas import (
    CalledFunctionAnswer,
    LogprobsAnswer,
    TokenLogprobAnswer,
    ToolCallAnswer,
    TopLogprobAnswer,
)

_SCORE_DIGITS: Final = 4


RUN_ID_HEADER: Final = "x-olo-run-id"
COMPLETION_PREFIX: Final = "chatcmpl-"


def completion_id(run_id: str) -> str:
    """The id of an answer, spelled as clients expect it."""
    return COMPLETION_PREFIX + run_id


def run_id_of(completion_id: str) -> str:
    """The run whose answer has this id.

    Raises:
        RunNotFound: No answer has such an id.
    """
    run_id = completion_id.removeprefix(COMPLETION_PREFIX)
    if run_id == completion_id or not is_valid(REQUEST_ID, run_id):
        raise RunNotFound
    return run_id


def completion_of(response: ChatResponse, created: int) -> chat_schemas.ChatCompletion:
    """A whole answer."""
    return chat_schemas.ChatCompletion(
        id=completion_id(response.run_id),
        created=created,
        model=response.model,
        choices=[
            # Marks are looked for in the first answer alone.
            _choice_of(number, answer, [] if number else annotations_of(response))
            for number, answer in enumerate(answers_of(response))
        ],
        usage=usage_of(response.usage),
        olo=details_of(response),
    )


def answers_of(response: ChatResponse) -> list[Alternative]:
    """The first answer and the further ones."""
    first = Alternative(
        text=response.message.content,
        finish_reason=response.finish_reason,
        tool_calls=response.message.tool_calls,
        logprobs=response.logprobs,
    )
    return [first, *response.alternatives]


def calls_of(answer: Alternative) -> list[ToolCallAnswer]:
    """The calls of tools of an answer."""
    return [
        ToolCallAnswer(id=call.id, function=CalledFunctionAnswer(name=call.name, arguments=call.arguments_json))
        for call in answer.tool_calls
    ]


def logprobs_of(answer: Alternative) -> LogprobsAnswer | None:
    """The log probabilities of an answer; None where nobody asked for them."""
    if not answer.logprobs:
        return None
    return LogprobsAnswer(
        content=[
            TokenLogprobAnswer(
                **_logprob_of(token), top_logprobs=[TopLogprobAnswer(**_logprob_of(each)) for each in token.top]
            )
            for token in answer.logprobs
        ]
    )


def bytes_of(token: str) -> list[int] | None:
    """The bytes of a token; None where it is a part of a character, of which only the replacement is known."""
    return None if "\ufffd" in token else list(token.encode())


def _logprob_of(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": bytes_of(token.text)}


def details_of(response: ChatResponse) -> details_schemas.RunDetails:
    """What the gateway tells beside the answer."""
    timings = response.timings
    return details_schemas.RunDetails(
        run_id=response.run_id,
        model=response.model,
        selection=_selection_of(response.selection),
        citations=[citation_of(citation) for citation in response.citations],
        grounding=grounding_of(response),
        timings=details_schemas.Timings(
            retrieve=_milliseconds(timings.retrieve),
            select=_milliseconds(timings.select),
            generate=_milliseconds(timings.generate),
            total=_milliseconds(timings.total),
            queue=_milliseconds(timings.queue),
            parked=_milliseconds(timings.parked),
        ),
        attempts=[attempt_of(attempt) for attempt in response.attempts],
    )


def attempt_of(attempt: run_pb2.Attempt) -> details_schemas.Attempt:
    """One try of one candidate."""
    return details_schemas.Attempt(
        candidate=attempt.candidate,
        model_id=attempt.model_id,
        failure_reason=attempt.failure_reason or None,
        cause=cause_name(attempt.cause) if attempt.cause else None,
        duration=_milliseconds(attempt.duration),
    )


def usage_of(usage: TokenUsage) -> chat_schemas.Usage:
    """The tokens that were used."""
    return chat_schemas.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details={"cached_tokens": usage.cached_tokens},
        completion_tokens_details={"reasoning_tokens": 0},
    )


def finish_reason_of(reason: FinishReason) -> Literal["stop", "length", "tool_calls"]:
    """Why the answer ended, in the words that clients know for it."""
    if reason == FINISH_REASON_TOOL_CALLS:
        return "tool_calls"
    return "length" if reason == FINISH_REASON_LENGTH else "stop"


def run_headers(response: ChatResponse) -> dict[str, str]:
    """What the headers of an answer say of its run."""
    told = {RUN_ID_HEADER: response.run_id, "x-olo-model": response.model}
    selection = response.selection
    if selection.chosen_index < len(selection.candidates):
        told["x-olo-route-reason"] = reason_name(selection.candidates[selection.chosen_index].reason)
    return told


def reason_name(reason: SelectionReason) -> str:
    """Why a model is a candidate, as programs know it: `default`."""
    return SelectionReason.Name(reason).removeprefix("SELECTION_REASON_").lower()


def model_of(model: ModelSummary) -> model_schemas.Model:
    """A model of the list."""
    kinds: dict[int, Literal["llm", "embedding"]] = {
        common_pb2.MODEL_TYPE_LLM: "llm",
        common_pb2.MODEL_TYPE_EMBEDDING: "embedding",
    }
    hardware: dict[int, Literal["cpu", "gpu"]] = {
        common_pb2.HARDWARE_TYPE_CPU: "cpu",
        common_pb2.HARDWARE_TYPE_GPU: "gpu",
    }
    return model_schemas.Model(
        id=model.model_id,
        created=model.create_time.seconds,
        name=model.model_name,
        type=kinds.get(model.model_type, "unknown"),
        context_length=model.context_limit,
        max_model_len=model.context_limit,
        max_concurrency=model.max_concurrency,
        in_flight=model.in_flight,
        hardware=hardware.get(model.hardware_type, "unknown"),
        priority=model.priority,
        default=model.default_flag,
        available=model.available,
        instances=model.instances,
    )


def _choice_of(number: int, answer: Alternative, annotations: list[Annotation]) -> chat_schemas.Choice:
    calls = calls_of(answer)
    content = None if calls and not answer.text else answer.text
    return chat_schemas.Choice(
        index=number,
        message=chat_schemas.AnswerMessage(content=content, annotations=annotations, tool_calls=calls or None),
        logprobs=logprobs_of(answer),
        finish_reason=finish_reason_of(answer.finish_reason),
    )


def _selection_of(selection: run_pb2.Selection) -> details_schemas.Selection:
    return details_schemas.Selection(
        chosen_index=selection.chosen_index,
        candidates=[
            details_schemas.Candidate(
                model_id=candidate.model_id,
                score=round(candidate.score, _SCORE_DIGITS),
                reason=reason_name(candidate.reason),
                explanation=candidate.explanation,
                at_capacity=candidate.at_capacity,
                components=[component_of(part) for part in candidate.components],
            )
            for candidate in selection.candidates
        ],
        rejections=[
            details_schemas.Rejection(model_id=rejection.model_id, filter=rejection.filter, detail=rejection.detail)
            for rejection in selection.rejections
        ],
        profile=selection.profile,
        snapshot_version=selection.snapshot_version,
        alias=selection.alias or None,
        complexity=round(selection.complexity.score, _SCORE_DIGITS) if selection.HasField("complexity") else None,
        mirrored_to=None if selection.shadow.skipped else selection.shadow.model_id or None,
    )


def component_of(part: ScoreComponent) -> details_schemas.ScoreComponent:
    """A part of a score."""
    return details_schemas.ScoreComponent(
        name=part.name,
        value=round(part.value, _SCORE_DIGITS),
        weight=round(part.weight, _SCORE_DIGITS),
        detail=part.detail,
    )


def _milliseconds(duration: Duration) -> float:
    return round(seconds_of(duration) * 1000, 3)
