"""Calls of the Responses API as orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from olo_common.errors import InvalidField
from olo_gateway.calls.stored_responses import Conversation, Responses, continued
from olo_gateway.errors import ResponseNotFound
from olo_gateway.http.forms import schema_text, unsupported
from olo_gateway.http.orders import constraints_of
from olo_gateway.http.rag import rag_of
from olo_gateway.http.responses.answers import run_id_of
from olo_gateway.http.responses.schemas import CreateResponse, FunctionChoice, InputItem, InputPart, TextOptions
from olo_gateway.runs.forms import (
    ANY_TEXT,
    Format,
    FormatKind,
    ResponseOptions,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
)
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn

_ROLES: Final = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
_LOGPROBS: Final = "message.output_text.logprobs"


async def whole_order_of(body: CreateResponse, responses: Responses) -> ChatOrder:
    """The order that a call asks for, with the conversation that it continues.

    Args:
        body: The call.
        responses: Where that is found.

    Raises:
        InvalidField: A field is wrong, its meaning cannot be kept, or there is nothing that could be continued.
    """
    previous = body.previous_response_id
    before = Conversation() if previous is None else await responses.before(_previous_run(previous))
    return order_of(body, before)


def order_of(body: CreateResponse, conversation: Conversation) -> ChatOrder:
    """The order that a call asks for.

    Args:
        body: The call.
        conversation: What it continues.

    Raises:
        InvalidField: A field is wrong, or its meaning cannot be kept.
    """
    _refuse_unsupported(body)
    said = [Turn(Role.USER, body.input)] if isinstance(body.input, str) else _turns(body.input)
    turns, inherited = continued(conversation, body.instructions or "", said)
    return ChatOrder(
        turns=turns,
        model=body.model or "",
        sampling=Sampling(
            max_tokens=body.max_output_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            logprobs=_LOGPROBS in (body.include or ()) or bool(body.top_logprobs),
            top_logprobs=body.top_logprobs or 0,
        ),
        rag=rag_of(body.rag) if body.rag else None,
        timeout=body.timeout,
        wait_for_model=body.wait_for_model,
        allow_fallback=bool(body.allow_fallback),
        store=body.store is not False,
        profile=body.routing_profile or "",
        constraints=constraints_of(body.constraints) if body.constraints else None,
        conversation_id=body.conversation_id or "",
        response_format=_format(body.text),
        tools=tuple(_tool(body, number) for number in range(len(body.tools or ()))),
        tool_choice=_choice(body),
        metadata=tuple(sorted((body.metadata or {}).items())),
        response=ResponseOptions(
            body.previous_response_id or "", bool(body.background), body.instructions or "", inherited
        ),
    )


def _previous_run(response_id: str) -> str:
    try:
        return run_id_of(response_id)
    except ResponseNotFound:
        problem = "there is no response with this id"
        raise InvalidField("previous_response_id", problem, reason="previous_response_not_found") from None


def _refuse_unsupported(body: CreateResponse) -> None:
    meant = {
        "conversation": body.conversation is not None,
        "prompt": body.prompt is not None,
        "truncation": body.truncation not in (None, "disabled"),
    }
    for name, refused in meant.items():
        if refused:
            raise unsupported(name)
    if body.background and body.store is False:
        raise InvalidField("background", "needs a response that is stored")


def _turns(items: Sequence[InputItem]) -> list[Turn]:
    turns: list[Turn] = []
    for number, item in enumerate(items):
        field = f"input[{number}]"
        match item.type:
            case "message":
                if item.role is None:
                    raise InvalidField(f"{field}.role", "is missing")
                turns.append(Turn(_ROLES[item.role], _text(f"{field}.content", item.content)))
            case "function_call":
                call = ToolCall(
                    _given(f"{field}.call_id", item.call_id),
                    _given(f"{field}.name", item.name),
                    _given(f"{field}.arguments", item.arguments),
                )
                # One turn of the assistant is several items here.
                spoken = turns.pop() if turns and turns[-1].role is Role.ASSISTANT else Turn(Role.ASSISTANT, "")
                turns.append(Turn(Role.ASSISTANT, spoken.content, tool_calls=(*spoken.tool_calls, call)))
            case "function_call_output":
                call_id = _given(f"{field}.call_id", item.call_id)
                turns.append(Turn(Role.TOOL, _text(f"{field}.output", item.output), tool_call_id=call_id))
            case "reasoning":
                # No model here reads the thoughts of another one.
                pass
            case _:
                raise unsupported(f"{field}.type", "this kind of item is not supported")
    return turns


def _text(field: str, content: str | list[InputPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for number, part in enumerate(content):
        if part.type not in ("input_text", "output_text"):
            raise unsupported(f"{field}[{number}].type", "only text is supported")
        texts.append(_given(f"{field}[{number}].text", part.text))
    return "\n".join(texts)


def _given(field: str, value: str | None) -> str:
    if value is None:
        raise InvalidField(field, "is missing")
    return value


def _format(text: TextOptions | None) -> Format:
    given = text.format if text else None
    if given is None or given.type == "text":
        return ANY_TEXT
    kind = FormatKind(given.type)
    if kind is FormatKind.JSON_OBJECT:
        return Format(kind)
    if given.schema_ is None:
        raise InvalidField("text.format.schema", "is missing")
    return Format(kind, schema_text("text.format.schema", given.schema_))


def _tool(body: CreateResponse, number: int) -> Tool:
    tool = (body.tools or [])[number]
    if tool.type != "function":
        raise unsupported(f"tools[{number}].type", "only functions are supported, which the caller runs")
    parameters = schema_text(f"tools[{number}].parameters", tool.parameters) if tool.parameters else ""
    return Tool(_given(f"tools[{number}].name", tool.name), tool.description or "", parameters)


def _choice(body: CreateResponse) -> ToolChoice:
    single = body.parallel_tool_calls is False
    if isinstance(body.tool_choice, FunctionChoice):
        return ToolChoice(ToolMode.REQUIRED, body.tool_choice.name, single)
    return ToolChoice(ToolMode(body.tool_choice or "auto"), single=single)
