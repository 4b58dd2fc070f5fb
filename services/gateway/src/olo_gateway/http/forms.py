"""Tools and formats of the dialect as those of an order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from olo_common.errors import InvalidField
from olo_gateway.http.tool_schemas import FunctionDefinition, NamedToolChoice, ResponseFormat
from olo_gateway.runs.forms import ANY_TEXT, FREE_CHOICE, Format, FormatKind, Tool, ToolChoice, ToolMode

_UNSUPPORTED: Final = "unsupported_parameter"
_TOKEN_ID: Final = re.compile(r"[0-9]{1,9}")


def unsupported(field: str, problem: str = "this value is not supported") -> InvalidField:
    """The refusal of a value whose meaning cannot be kept."""
    return InvalidField(field, problem, reason=_UNSUPPORTED)


def bias_of(given: Mapping[str, float] | None) -> tuple[tuple[int, float], ...]:
    """Ids of tokens with their biases, those that change nothing left out.

    Raises:
        InvalidField: A key is no id.
    """
    biases = {}
    for name, bias in (given or {}).items():
        if not _TOKEN_ID.fullmatch(name):
            raise InvalidField("logit_bias", "its keys must be ids of tokens")
        biases[int(name)] = bias
    return tuple(sorted((token_id, bias) for token_id, bias in biases.items() if bias))


def tool_of(function: FunctionDefinition) -> Tool:
    """The tool that a function is."""
    parameters = schema_text("tools", function.parameters) if function.parameters else ""
    return Tool(function.name, function.description or "", parameters)


def schema_text(field: str, schema: dict[str, Any]) -> str:
    """A schema as text.

    Raises:
        InvalidField: It is nested too deeply to be written.
    """
    try:
        return orjson.dumps(schema).decode()
    except TypeError:
        raise InvalidField(field, "a schema is nested too deeply", reason="schema_invalid") from None


def choice_of(choice: str | NamedToolChoice | None, parallel: bool | None) -> ToolChoice:
    """Which tools are to be called.

    Args:
        choice: A mode, or the one that must be called.
        parallel: Whether several calls may be made; None: yes.
    """
    single = parallel is False
    if isinstance(choice, NamedToolChoice):
        return ToolChoice(ToolMode.REQUIRED, choice.function.name, single)
    if choice is None:
        return ToolChoice(single=True) if single else FREE_CHOICE
    return ToolChoice(ToolMode(choice), single=single)


def format_of(given: ResponseFormat | None) -> Format:
    """What the text of the answer must be.

    Raises:
        InvalidField: There is no schema.
    """
    if given is None:
        return ANY_TEXT
    kind = FormatKind(given.type)
    if kind is not FormatKind.JSON_SCHEMA:
        return Format(kind)
    if given.json_schema is None:
        raise InvalidField("response_format.json_schema", "is missing")
    schema = schema_text("response_format.schema_json", given.json_schema.schema_)
    return Format(kind, schema, bool(given.json_schema.constrained))
