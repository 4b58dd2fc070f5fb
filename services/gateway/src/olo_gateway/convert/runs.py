"""Messages of the contracts to the core's values and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest
from olo.gateway.v1.run_pb2 import Attempt, AttemptCause, ChatRequest, RunPhase
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.durations import duration_of, seconds_of
from olo_common.errors import InvalidField, OloError
from olo_gateway.convert.forms import choice_message, choice_of, format_message, format_of, tool_messages
from olo_gateway.convert.rag import rag_message, rag_of, recorded_message
from olo_gateway.convert.routing import constraints_message, constraints_of
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.attempts import cause_of
from olo_gateway.runs.forms import ResponseOptions, Tool, ToolCall
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn
from olo_gateway.streaming.events import ResumePoint

_ROLES: Final = {
    inference.ROLE_SYSTEM: Role.SYSTEM,
    inference.ROLE_USER: Role.USER,
    inference.ROLE_ASSISTANT: Role.ASSISTANT,
    inference.ROLE_TOOL: Role.TOOL,
}
_ROLE_NUMBERS: Final = {role: number for number, role in _ROLES.items()}
_PRIORITIES: Final = {
    run_pb2.REQUEST_PRIORITY_UNSPECIFIED: Priority.NORMAL,
    run_pb2.REQUEST_PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    run_pb2.REQUEST_PRIORITY_NORMAL: Priority.NORMAL,
    run_pb2.REQUEST_PRIORITY_BATCH: Priority.BATCH,
}
_PRIORITY_NUMBERS: Final = {priority: number for number, priority in _PRIORITIES.items()}
_OPTIONAL_SAMPLING: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "seed",
    "min_tokens",
    "presence_penalty",
    "frequency_penalty",
)


def order_of(request: ChatRequest) -> ChatOrder:
    """The order that a request message holds.

    Raises:
        InvalidField: A role or the priority is not known.
    """
    return ChatOrder(
        turns=turns_of(request.messages),
        model=request.model,
        sampling=_sampling_of(request.sampling),
        rag=rag_of(request.rag) if request.HasField("rag") else None,
        timeout=seconds_of(request.timeout) if request.HasField("timeout") else None,
        wait_for_model=seconds_of(request.wait_for_model) if request.HasField("wait_for_model") else None,
        allow_fallback=request.allow_fallback,
        priority=priority_of(request.priority),
        request_id=request.request_id,
        store=request.store,
        profile=request.profile,
        constraints=constraints_of(request.constraints) if request.HasField("constraints") else None,
        conversation_id=request.conversation_id,
        response_format=format_of(request.response_format),
        tools=tuple(Tool(tool.name, tool.description, tool.parameters_json) for tool in request.tools),
        tool_choice=choice_of(request.tool_choice),
        n=request.n or 1,
        metadata=tuple(sorted(request.metadata.items())),
        response=_response_options(request.response) if request.HasField("response") else None,
    )


def request_of(order: ChatOrder, *, stream: bool, tenant: str, max_attempts: int) -> ChatRequest:
    """The workflow's input for an accepted order."""
    return ChatRequest(
        request_id=order.request_id,
        model=order.model,
        messages=messages_of(order.turns),
        sampling=_sampling_message(order.sampling),
        rag=rag_message(order.rag) if order.rag else None,
        timeout=_duration(order.timeout),
        wait_for_model=_duration(order.wait_for_model),
        max_attempts=max_attempts,
        allow_fallback=order.allow_fallback,
        stream=stream,
        tenant=tenant,
        store=order.store,
        priority=_PRIORITY_NUMBERS[order.priority],
        profile=order.profile,
        constraints=constraints_message(order.constraints) if order.constraints else None,
        conversation_id=order.conversation_id,
        recorded_passages=[recorded_message(number, passage) for number, passage in enumerate(order.passages, 1)],
        response_format=format_message(order.response_format),
        tools=tool_messages(order.tools),
        tool_choice=choice_message(order.tool_choice),
        n=order.n if order.n > 1 else 0,
        metadata=dict(order.metadata),
        response=run_pb2.ResponseOptions(**asdict(order.response)) if order.response else None,
    )


def point_of(request: ChatStreamRequest) -> ResumePoint | None:
    """How far the caller says that it has come; None: nowhere.

    Raises:
        InvalidField: There is a checksum of nothing.
    """
    checksum = request.resume_checksum if request.HasField("resume_checksum") else None
    if request.HasField("resume_offset"):
        return ResumePoint(request.resume_offset, checksum)
    if checksum is not None:
        raise InvalidField("resume_checksum", "goes with resume_offset")
    return None


def priority_of(number: run_pb2.RequestPriority) -> Priority:
    """How urgent a request is.

    Raises:
        InvalidField: The number is not known.
    """
    if number not in _PRIORITIES:
        raise InvalidField("priority", "must be interactive, normal or batch")
    return _PRIORITIES[number]


def turns_of(messages: Iterable[inference.ChatMessage]) -> tuple[Turn, ...]:
    """The turns of a conversation.

    Raises:
        InvalidField: A role is not known.
    """
    turns = []
    for position, message in enumerate(messages):
        role = _ROLES.get(message.role)
        if role is None:
            raise InvalidField(f"messages[{position}].role", "must be system, user, assistant or tool")
        calls = tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls)
        turns.append(Turn(role, message.content, message.name, calls, message.tool_call_id))
    return tuple(turns)


def messages_of(turns: Iterable[Turn]) -> list[inference.ChatMessage]:
    """The messages of a conversation."""
    return [
        inference.ChatMessage(
            role=_ROLE_NUMBERS[turn.role],
            content=turn.content,
            name=turn.name,
            tool_calls=[inference.ToolCall(id=c.id, name=c.name, arguments_json=c.arguments) for c in turn.tool_calls],
            tool_call_id=turn.tool_call_id,
        )
        for turn in turns
    ]


def failed_attempt(failure: OloError) -> Attempt:
    """An attempt that has failed, with the cause that its reason belongs to."""
    return Attempt(failure_reason=failure.reason, cause=f"ATTEMPT_CAUSE_{cause_of(failure).name}")


def cause_name(cause: AttemptCause) -> str:
    """A cause as programs of other dialects know it: `heartbeat`."""
    return AttemptCause.Name(cause).removeprefix("ATTEMPT_CAUSE_").lower()


def phase_name(phase: RunPhase) -> str:
    """A phase as programs of other dialects know it: `parked`."""
    return RunPhase.Name(phase).removeprefix("RUN_PHASE_").lower()


def _duration(seconds: float | None) -> Duration | None:
    return None if seconds is None else duration_of(timedelta(seconds=seconds))


def _sampling_of(message: inference.SamplingOptions) -> Sampling:
    given = {name: getattr(message, name) for name in _OPTIONAL_SAMPLING if message.HasField(name)}
    return Sampling(
        **given,
        stop=tuple(message.stop),
        logprobs=message.logprobs,
        top_logprobs=message.top_logprobs,
        logit_bias=tuple(sorted(message.logit_bias.items())),
    )


def _sampling_message(sampling: Sampling) -> inference.SamplingOptions:
    given = {name: getattr(sampling, name) for name in _OPTIONAL_SAMPLING}
    return inference.SamplingOptions(
        **given,
        stop=sampling.stop,
        logprobs=sampling.logprobs,
        top_logprobs=sampling.top_logprobs,
        logit_bias=dict(sampling.logit_bias),
    )


def _response_options(message: run_pb2.ResponseOptions) -> ResponseOptions:
    return ResponseOptions(
        message.previous_response_id, message.background, message.instructions, message.inherited_messages
    )
