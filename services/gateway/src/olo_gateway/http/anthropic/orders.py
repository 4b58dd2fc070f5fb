"""Requests of the Anthropic dialect as orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from olo_common.errors import InvalidField
from olo_gateway.http.anthropic.conversation import Conversation, text_of
from olo_gateway.http.anthropic.schemas import AnthropicTool, Choice, CountRequest, MessageRequest, OutputConfig
from olo_gateway.http.extras import refuse
from olo_gateway.runs.forms import ANY_TEXT, FREE_CHOICE, Format, FormatKind, Tool, ToolChoice, ToolMode
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn

_MODES: Final = {
    "auto": ToolMode.AUTO,
    "any": ToolMode.REQUIRED,
    "tool": ToolMode.REQUIRED,
    "none": ToolMode.NONE,
}


def order_of(body: MessageRequest) -> ChatOrder:
    """The order of a request.

    Raises:
        InvalidField: A field whose meaning cannot be kept; its name is the field.
    """
    refuse({"container": body.container is not None})
    sampling = Sampling(
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=tuple(body.stop_sequences or ()),
    )
    return replace(conversation_of(body), sampling=sampling)


def conversation_of(body: MessageRequest | CountRequest) -> ChatOrder:
    """What the model reads: the conversation, the system's part first, and the tools.

    Raises:
        InvalidField: A field whose meaning cannot be kept; its name is the field.
    """
    refuse(
        {
            "thinking": (body.thinking or {}).get("type") not in (None, "disabled"),
            "mcp_servers": bool(body.mcp_servers),
        }
    )
    return ChatOrder(
        turns=_turns(body),
        model=body.model,
        tools=tuple(_tool(number, tool) for number, tool in enumerate(body.tools or ())),
        tool_choice=_choice(body.tool_choice) if body.tool_choice else FREE_CHOICE,
        response_format=_format(body.output_config),
    )


def _turns(body: MessageRequest | CountRequest) -> tuple[Turn, ...]:
    if not body.messages:
        raise InvalidField("messages", "at least one message is needed", reason="messages_missing")
    if body.messages[-1].role == "assistant":
        last = len(body.messages) - 1
        problem = "an answer that is begun cannot be continued; the last message must be the user's"
        raise InvalidField(f"messages[{last}].role", problem, reason="unsupported_parameter")
    conversation = Conversation()
    if system := text_of("system", body.system or ""):
        conversation.turns.append(Turn(Role.SYSTEM, system))
    for position, message in enumerate(body.messages):
        conversation.add(f"messages[{position}]", message)
    return tuple(conversation.turns)


def _tool(number: int, tool: AnthropicTool) -> Tool:
    refuse({f"tools[{number}].type": tool.type not in (None, "custom")})
    schema = orjson.dumps(tool.input_schema).decode() if tool.input_schema else ""
    return Tool(tool.name, tool.description or "", schema)


def _choice(given: Choice) -> ToolChoice:
    name = given.name or "" if given.type == "tool" else ""
    if given.type == "tool" and not name:
        raise InvalidField("tool_choice.name", "is missing")
    return ToolChoice(_MODES[given.type], name, single=bool(given.disable_parallel_tool_use))


def _format(config: OutputConfig | None) -> Format:
    if config is None or config.format is None:
        return ANY_TEXT
    return Format(FormatKind.JSON_SCHEMA, orjson.dumps(config.format.schema_).decode())
