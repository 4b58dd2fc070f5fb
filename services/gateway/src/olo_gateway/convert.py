"""Messages of the contracts to the core's values and back. Pure; the workflow uses it too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from olo.gateway.v1.run_pb2 import ChatRequest, Citation, RagOptions
from olo.inference.v1 import inference_service_pb2 as inference
from olo.retrieval.v1.retrieval_service_pb2 import Passage
from olo_common.errors import InvalidField
from olo_gateway.routing import constraints_message, constraints_of
from olo_gateway.runs.order import ChatOrder, Rag, Role, Sampling, Turn

_ROLES: Final = {
    inference.ROLE_SYSTEM: Role.SYSTEM,
    inference.ROLE_USER: Role.USER,
    inference.ROLE_ASSISTANT: Role.ASSISTANT,
    inference.ROLE_TOOL: Role.TOOL,
}
_ROLE_NUMBERS: Final = {role: number for number, role in _ROLES.items()}
_OPTIONAL_SAMPLING: Final = ("max_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed")


def order_of(request: ChatRequest) -> ChatOrder:
    """The order that a request message holds.

    Raises:
        InvalidField: A role is not known.
    """
    return ChatOrder(
        turns=turns_of(request.messages),
        model=request.model,
        sampling=_sampling_of(request.sampling),
        rag=Rag(request.rag.collection, request.rag.top_k) if request.HasField("rag") else None,
        timeout=seconds_of(request.timeout) if request.HasField("timeout") else None,
        allow_fallback=request.allow_fallback,
        request_id=request.request_id,
        profile=request.profile,
        constraints=constraints_of(request.constraints) if request.HasField("constraints") else None,
        conversation_id=request.conversation_id,
    )


def request_of(order: ChatOrder, *, stream: bool, tenant: str) -> ChatRequest:
    """The workflow's input for an accepted order."""
    return ChatRequest(
        request_id=order.request_id,
        model=order.model,
        messages=messages_of(order.turns),
        sampling=_sampling_message(order.sampling),
        rag=RagOptions(collection=order.rag.collection, top_k=order.rag.top_k) if order.rag else None,
        timeout=duration_of(timedelta(seconds=order.timeout)) if order.timeout is not None else None,
        allow_fallback=order.allow_fallback,
        stream=stream,
        tenant=tenant,
        profile=order.profile,
        constraints=constraints_message(order.constraints) if order.constraints else None,
        conversation_id=order.conversation_id,
        recorded_passages=[Citation(index=place, **asdict(each)) for place, each in enumerate(order.passages, 1)],
    )


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
        turns.append(Turn(role, message.content))
    return tuple(turns)


def messages_of(turns: Iterable[Turn]) -> list[inference.ChatMessage]:
    """The messages of a conversation."""
    return [inference.ChatMessage(role=_ROLE_NUMBERS[turn.role], content=turn.content) for turn in turns]


def citation_of(number: int, passage: Passage) -> Citation:
    """The passage as it is cited, before it is known whether the answer marks it."""
    return Citation(
        index=number,
        document_id=passage.document_id,
        title=passage.title,
        source=passage.source,
        chunk_id=passage.chunk_id,
        score=passage.score,
        text=passage.text,
    )


def duration_of(delta: timedelta) -> Duration:
    """A duration message."""
    message = Duration()
    message.FromTimedelta(delta)
    return message


def seconds_of(duration: Duration) -> float:
    """Seconds, of any duration that the wire can carry."""
    return duration.seconds + duration.nanos / 1e9


def _sampling_of(message: inference.SamplingOptions) -> Sampling:
    given = {name: getattr(message, name) for name in _OPTIONAL_SAMPLING if message.HasField(name)}
    return Sampling(**given, stop=tuple(message.stop))


def _sampling_message(sampling: Sampling) -> inference.SamplingOptions:
    given = {name: getattr(sampling, name) for name in _OPTIONAL_SAMPLING}
    return inference.SamplingOptions(**given, stop=sampling.stop)
