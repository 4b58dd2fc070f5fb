"""Requests of the dialect as orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from olo_common.errors import InvalidField
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.chat_schemas import ChatCompletionRequest, ChatMessage, ContentPart, RoutingConstraints
from olo_gateway.http.forms import bias_of, choice_of, format_of, tool_of, unsupported
from olo_gateway.http.rag import rag_of
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.forms import ToolCall
from olo_gateway.runs.order import ChatOrder, Constraints, Role, Sampling, Turn


def order_of(body: ChatCompletionRequest) -> ChatOrder:
    """The order that a request body asks for.

    Raises:
        InvalidField: A parameter whose meaning cannot be kept; its name is the field.
    """
    refuse_unsupported(body)
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return ChatOrder(
        turns=turns_of(body.messages),
        model=body.model or "",
        sampling=Sampling(
            max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
            repetition_penalty=body.repetition_penalty,
            seed=body.seed,
            stop=stop,
            min_tokens=body.min_tokens,
            presence_penalty=body.presence_penalty or None,
            frequency_penalty=body.frequency_penalty or None,
            logprobs=bool(body.logprobs),
            top_logprobs=body.top_logprobs or 0,
            logit_bias=bias_of(body.logit_bias),
        ),
        rag=rag_of(body.rag) if body.rag else None,
        timeout=body.timeout,
        wait_for_model=body.wait_for_model,
        allow_fallback=bool(body.allow_fallback),
        store=bool(body.store),
        profile=body.routing_profile or "",
        constraints=constraints_of(body.constraints) if body.constraints else None,
        conversation_id=body.conversation_id or "",
        response_format=format_of(body.response_format),
        tools=tuple(tool_of(tool.function) for tool in body.tools or ()),
        tool_choice=choice_of(body.tool_choice, body.parallel_tool_calls),
        n=1 if body.n is None else body.n,
        metadata=tuple(sorted((body.metadata or {}).items())),
    )


def with_headers(order: ChatOrder, headers: CallHeaders) -> ChatOrder:
    """The order with what the caller says of it beside the body.

    Raises:
        InvalidField: A header has another value.
    """
    key, priority, timeout = headers.idempotency_key, headers.priority, headers.timeout
    if key is not None and not is_valid(REQUEST_ID, key):
        raise InvalidField("Idempotency-Key", "1 to 128 letters, digits and ._:- are allowed")
    if headers.new not in (None, "true", "false"):
        raise InvalidField("X-Request-New", "must be true or false")
    order = replace(order, request_id=key or "", new=headers.new == "true")
    if priority is not None:
        if priority.upper() not in Priority.__members__:
            raise InvalidField("X-Request-Priority", "must be interactive, normal or batch")
        order = replace(order, priority=Priority[priority.upper()])
    if timeout is not None and not timeout > 0:
        raise InvalidField("X-Request-Timeout", "must be a number of seconds above 0")
    return order.within(timeout)


def turns_of(messages: Sequence[ChatMessage]) -> tuple[Turn, ...]:
    """The turns of a conversation.

    Raises:
        InvalidField: A message holds something else than text.
    """
    return tuple(_turn(position, message) for position, message in enumerate(messages))


def refuse_unsupported(body: ChatCompletionRequest) -> None:
    """Refuses what would silently mean something else.

    Raises:
        InvalidField: Naming the first such parameter.
    """
    meant = {
        "functions": bool(body.functions),
        "function_call": body.function_call not in (None, "none", "auto"),
        "modalities": body.modalities not in (None, [], ["text"]),
        "audio": body.audio is not None,
        "prediction": body.prediction is not None,
    }
    for name, refused in meant.items():
        if refused:
            raise unsupported(name)


def constraints_of(given: RoutingConstraints) -> Constraints:
    """What the model must offer."""
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
    role = Role.SYSTEM if message.role == "developer" else Role(message.role)
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ())
    text = _text(f"messages[{position}].content", message.content)
    return Turn(role, text, message.name or "", calls, message.tool_call_id or "")


def _text(field: str, content: str | list[ContentPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for number, part in enumerate(content):
        if part.type != "text":
            raise unsupported(f"{field}[{number}].type", "only text parts are supported")
        if part.text is None:
            raise InvalidField(f"{field}[{number}].text", "is missing")
        texts.append(part.text)
    return "\n".join(texts)
