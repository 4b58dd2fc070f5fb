"""Messages that say what form an answer has, to the core's values and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.errors import InvalidField
from olo_gateway.runs.forms import ANY_TEXT, FREE_CHOICE, Format, FormatKind, Tool, ToolChoice, ToolMode

_KINDS: Final = {
    inference.ResponseFormat.KIND_UNSPECIFIED: FormatKind.TEXT,
    inference.ResponseFormat.KIND_TEXT: FormatKind.TEXT,
    inference.ResponseFormat.KIND_JSON_OBJECT: FormatKind.JSON_OBJECT,
    inference.ResponseFormat.KIND_JSON_SCHEMA: FormatKind.JSON_SCHEMA,
}
_MODES: Final = {
    inference.ToolChoice.MODE_UNSPECIFIED: ToolMode.AUTO,
    inference.ToolChoice.MODE_AUTO: ToolMode.AUTO,
    inference.ToolChoice.MODE_NONE: ToolMode.NONE,
    inference.ToolChoice.MODE_REQUIRED: ToolMode.REQUIRED,
}
_KIND_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_MODE_NUMBERS: Final = {mode: number for number, mode in _MODES.items()}


def format_of(message: inference.ResponseFormat) -> Format:
    """The format that a message asks for.

    Raises:
        InvalidField: Its kind is not known.
    """
    if message.kind not in _KINDS:
        raise InvalidField("response_format.kind", "must be text, json_object or json_schema")
    return Format(_KINDS[message.kind], message.schema_json, message.constrained)


def format_message(form: Format) -> inference.ResponseFormat | None:
    """The message of a format; None: any text will do."""
    if form == ANY_TEXT:
        return None
    return inference.ResponseFormat(
        kind=_KIND_NUMBERS[form.kind], schema_json=form.schema, constrained=form.constrained
    )


def choice_of(message: inference.ToolChoice) -> ToolChoice:
    """Which tools a message wants called.

    Raises:
        InvalidField: Its mode is not known.
    """
    if message.mode not in _MODES:
        raise InvalidField("tool_choice.mode", "must be auto, none or required")
    return ToolChoice(_MODES[message.mode], message.name, message.single)


def choice_message(choice: ToolChoice) -> inference.ToolChoice | None:
    """The message of a choice; None: the usual one."""
    if choice == FREE_CHOICE:
        return None
    return inference.ToolChoice(mode=_MODE_NUMBERS[choice.mode], name=choice.name, single=choice.single)


def tool_messages(tools: Iterable[Tool]) -> list[inference.Tool]:
    """The messages of tools."""
    return [
        inference.Tool(name=tool.name, description=tool.description, parameters_json=tool.parameters) for tool in tools
    ]
