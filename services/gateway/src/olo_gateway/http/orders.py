"""Requests of the dialect as orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from olo_common.errors import InvalidField
from olo_gateway.http.rag import rag_of
from olo_gateway.http.schemas import ChatCompletionRequest, ChatMessage, RoutingConstraints
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.order import ChatOrder, Constraints, Role, Sampling, Turn

_UNSUPPORTED: Final = "unsupported_parameter"


def order_of(body: ChatCompletionRequest, idempotency_key: str | None) -> ChatOrder:
    """The order that a request body asks for.

    Raises:
        InvalidField: A parameter whose meaning cannot be kept; its name is the field.
    """
    refuse_unsupported(body)
    if idempotency_key is not None and not idempotency_key:
        raise InvalidField("Idempotency-Key", "must not be empty")
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return ChatOrder(
        turns=tuple(_turn(position, message) for position, message in enumerate(body.messages)),
        model=body.model or "",
        sampling=Sampling(
            max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
            repetition_penalty=body.repetition_penalty,
            seed=body.seed,
            stop=stop,
        ),
        rag=rag_of(body.rag) if body.rag else None,
        timeout=body.timeout,
        wait_for_model=body.wait_for_model,
        allow_fallback=bool(body.allow_fallback),
        request_id=idempotency_key or "",
        store=bool(body.store),
        profile=body.routing_profile or "",
        constraints=_constraints(body.constraints) if body.constraints else None,
        conversation_id=body.conversation_id or "",
    )


def with_headers(order: ChatOrder, priority: str | None, timeout: float | None) -> ChatOrder:
    """The order with what the caller says of it beside the body.

    Args:
        order: The order.
        priority: `interactive`, `normal` or `batch`.
        timeout: Seconds that the caller waits; the run gets no more.

    Raises:
        InvalidField: A header has another value.
    """
    if priority is not None:
        if priority.upper() not in Priority.__members__:
            raise InvalidField("X-Request-Priority", "must be interactive, normal or batch")
        order = replace(order, priority=Priority[priority.upper()])
    if timeout is not None and not timeout > 0:
        raise InvalidField("X-Request-Timeout", "must be a number of seconds above 0")
    return order.within(timeout)


def refuse_unsupported(body: ChatCompletionRequest) -> None:
    """Refuses what would silently mean something else.

    Raises:
        InvalidField: Naming the first such parameter.
    """
    meant = {
        "n": body.n not in (None, 1),
        "tools": bool(body.tools),
        "tool_choice": body.tool_choice not in (None, "none", "auto"),
        "functions": bool(body.functions),
        "function_call": body.function_call not in (None, "none", "auto"),
        "response_format": body.response_format is not None and body.response_format.get("type") != "text",
        "logprobs": bool(body.logprobs),
        "top_logprobs": bool(body.top_logprobs),
        "logit_bias": bool(body.logit_bias),
        "presence_penalty": bool(body.presence_penalty),
        "frequency_penalty": bool(body.frequency_penalty),
        "modalities": body.modalities not in (None, [], ["text"]),
        "audio": body.audio is not None,
        "prediction": body.prediction is not None,
    }
    for name, refused in meant.items():
        if refused:
            raise InvalidField(name, "this value is not supported", reason=_UNSUPPORTED)


def _constraints(given: RoutingConstraints) -> Constraints:
    return Constraints(
        min_quality=given.min_quality,
        max_latency=given.max_latency,
        max_cost_per_1k_tokens=given.max_cost_per_1k_tokens,
        min_context=given.min_context or 0,
        hardware=given.hardware or "",
        labels=tuple(sorted((given.labels or {}).items())),
        capabilities=tuple(given.capabilities or ()),
    )


def _turn(position: int, message: ChatMessage) -> Turn:
    if message.tool_calls:
        raise InvalidField(f"messages[{position}].tool_calls", "tool calls are not supported", reason=_UNSUPPORTED)
    role = Role.SYSTEM if message.role == "developer" else Role(message.role)
    if message.content is None or isinstance(message.content, str):
        return Turn(role, message.content or "")
    texts = []
    for number, part in enumerate(message.content):
        field = f"messages[{position}].content[{number}]"
        if part.type != "text":
            raise InvalidField(f"{field}.type", "only text parts are supported", reason=_UNSUPPORTED)
        if part.text is None:
            raise InvalidField(f"{field}.text", "is missing")
        texts.append(part.text)
    return Turn(role, "\n".join(texts))
