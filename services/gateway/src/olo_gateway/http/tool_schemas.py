"""The shapes of tools, of calls of tools and of formats, as chat completions write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from olo_gateway.http.shapes import AnswerShape, RequestShape


class FunctionDefinition(RequestShape):
    name: str
    """1 to 64 letters, digits, _ or -."""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments."""
    strict: bool | None = None
    """Calls are always checked against the schema."""


class ToolDefinition(RequestShape):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(RequestShape):
    name: str


class NamedToolChoice(RequestShape):
    """The one function that must be called."""

    type: Literal["function"]
    function: NamedFunction


class CalledFunction(RequestShape):
    name: str
    arguments: str
    """A JSON object as text."""


class ToolCall(RequestShape):
    """A call that the assistant has made in an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class JsonSchema(RequestShape):
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None
    """The finished answer is always checked against the schema, and corrected once."""
    constrained: bool | None = None
    """Hold each token to the schema, too; refused by engines that cannot."""


class ResponseFormat(RequestShape):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class CalledFunctionAnswer(AnswerShape):
    name: str
    arguments: str
    """A JSON object as text."""


class ToolCallAnswer(AnswerShape):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunctionAnswer


class TopLogprobAnswer(AnswerShape):
    token: str
    """A control token is told by its name."""
    logprob: float
    """Natural logarithm, before temperature, top_p and top_k."""
    bytes: list[int] | None
    """None where the token is a part of a character."""


class TokenLogprobAnswer(TopLogprobAnswer):
    top_logprobs: list[TopLogprobAnswer]
    """The likeliest tokens at this place, the likeliest first. The chosen one need not be among them."""


class LogprobsAnswer(AnswerShape):
    content: list[TokenLogprobAnswer]
    refusal: None = None
