"""Which tools, formats and calls of tools are accepted. What an engine cannot do it says itself."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from olo_common.errors import InvalidField
from olo_gateway.runs.forms import Format, FormatKind, Tool, ToolChoice, ToolMode
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.texts import utf8_length

MAX_ANSWERS: Final = 16
MAX_TOOLS: Final = 128
MAX_SCHEMA_CHARACTERS: Final = 32 * 1024
MAX_METADATA: Final = 16
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_ID: Final = 128
_LONGEST_KEY: Final = 64
_LONGEST_VALUE: Final = 512
_LONGEST_PROBLEM: Final = 200


def check_forms(order: ChatOrder) -> int:
    """How many bytes tools, format and metadata take.

    Raises:
        InvalidField: Naming the field that is wrong.
    """
    if not 1 <= order.n <= MAX_ANSWERS:
        raise InvalidField("n", f"must be from 1 to {MAX_ANSWERS}", reason="n_out_of_range")
    _check_choice(order.tool_choice, order.tools)
    return _check_tools(order.tools) + _check_format(order.response_format) + _check_metadata(order.metadata)


def check_tool_turn(field: str, turn: Turn, calls: set[str]) -> int:
    """How many bytes the calls of a turn take; adds their ids to `calls`.

    Raises:
        InvalidField: Naming the field that is wrong.
    """
    if turn.tool_calls and turn.role is not Role.ASSISTANT:
        raise InvalidField(f"{field}.tool_calls", "only the assistant calls tools")
    if turn.role is Role.TOOL and turn.tool_call_id not in calls:
        raise InvalidField(f"{field}.tool_call_id", "must be the id of a call in an earlier message")
    if turn.role is not Role.TOOL and turn.tool_call_id:
        raise InvalidField(f"{field}.tool_call_id", "only a message of the role tool answers a call")
    size = utf8_length(f"{field}.name", turn.name)
    for number, call in enumerate(turn.tool_calls):
        where = f"{field}.tool_calls[{number}]"
        if not 1 <= utf8_length(f"{where}.id", call.id) <= _LONGEST_ID:
            raise InvalidField(f"{where}.id", f"must have 1 to {_LONGEST_ID} characters")
        if not _TOOL_NAME.fullmatch(call.name):
            raise InvalidField(f"{where}.name", "must be 1 to 64 letters, digits, _ or -")
        size += utf8_length(f"{where}.arguments_json", call.arguments)
        _object(f"{where}.arguments_json", call.arguments or "{}", "field_invalid")
        calls.add(call.id)
    return size


def _check_tools(tools: tuple[Tool, ...]) -> int:
    if len(tools) > MAX_TOOLS:
        raise InvalidField("tools", f"at most {MAX_TOOLS} are allowed")
    size, names = 0, set[str]()
    for number, tool in enumerate(tools):
        if not _TOOL_NAME.fullmatch(tool.name):
            raise InvalidField(f"tools[{number}].name", "must be 1 to 64 letters, digits, _ or -")
        if tool.name in names:
            raise InvalidField(f"tools[{number}].name", "is given twice")
        names.add(tool.name)
        size += utf8_length(f"tools[{number}].description", tool.description)
        if tool.parameters:
            size += _check_schema(f"tools[{number}].parameters_json", tool.parameters)
    return size


def _check_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> None:
    if choice.mode is ToolMode.REQUIRED and not tools:
        raise InvalidField("tool_choice.mode", "no tool is given that could be called")
    if choice.name and choice.mode is not ToolMode.REQUIRED:
        raise InvalidField("tool_choice.name", "goes with a tool that must be called alone")
    if choice.name and choice.name not in {tool.name for tool in tools}:
        raise InvalidField("tool_choice.name", "is none of the tools")


def _check_format(form: Format) -> int:
    if (form.kind is FormatKind.JSON_SCHEMA) != bool(form.schema):
        raise InvalidField("response_format.schema_json", "goes with json_schema, and json_schema needs it")
    if form.constrained and form.kind is FormatKind.TEXT:
        raise InvalidField("response_format.constrained", "goes with JSON alone")
    return _check_schema("response_format.schema_json", form.schema) if form.schema else 0


def _check_schema(field: str, text: str) -> int:
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise _no_schema(field, f"must have at most {MAX_SCHEMA_CHARACTERS} characters")
    schema = _object(field, text, "schema_invalid")
    # A twentieth of what a gateway would load, and most never see a schema.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _no_schema(field, f"is no JSON Schema: {error.message[:_LONGEST_PROBLEM]}") from None
    except RecursionError:
        raise _no_schema(field, "is nested too deeply") from None
    return utf8_length(field, text)


def _check_metadata(metadata: tuple[tuple[str, str], ...]) -> int:
    if len(metadata) > MAX_METADATA:
        raise InvalidField("metadata", f"at most {MAX_METADATA} keys are allowed")
    for key, value in metadata:
        if not 1 <= len(key) <= _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            problem = f"keys have 1 to {_LONGEST_KEY} characters, values at most {_LONGEST_VALUE}"
            raise InvalidField("metadata", problem)
    return sum(utf8_length("metadata", key) + utf8_length("metadata", value) for key, value in metadata)


def _object(field: str, text: str, reason: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidField(field, "must be JSON", reason=reason) from None
    if not isinstance(value, dict):
        raise InvalidField(field, "must be a JSON object", reason=reason)
    return value


def _no_schema(field: str, problem: str) -> InvalidField:
    return InvalidField(field, problem, reason="schema_invalid")
