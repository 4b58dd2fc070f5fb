"""The shapes of the Anthropic dialect, as far as the gateway speaks it.

Unknown keys are ignored. Known ones whose meaning the gateway could not keep are refused, see `orders`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from olo_gateway.http.extras import ExtendedRequest
from olo_gateway.http.shapes import AnswerShape, RequestShape


class Block(RequestShape):
    type: str
    """`text`, `tool_use` or `tool_result`; blocks of thinking in earlier answers are left out."""
    text: str | None = None
    id: str | None = None
    """Of a `tool_use`."""
    name: str | None = None
    """The tool of a `tool_use`."""
    input: dict[str, Any] | None = None
    """Of a `tool_use`."""
    tool_use_id: str | None = None
    """The `tool_use` that a `tool_result` answers."""
    content: str | list[Block] | None = None
    """Of a `tool_result`: text."""
    is_error: bool | None = None
    """Whether the tool has failed: the model reads `error: ` before the text then."""


class AnthropicTool(RequestShape):
    type: str | None = None
    """Only `custom` is supported: the caller runs the tools."""
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    """A JSON Schema."""


class Choice(RequestShape):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    """With `tool`: the one that must be used."""
    disable_parallel_tool_use: bool | None = None


class OutputFormat(RequestShape):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(RequestShape):
    format: OutputFormat | None = None
    """What the answer must be. It is checked when the answer is whole."""


class InputMessage(RequestShape):
    role: Literal["user", "assistant"]
    """The last one must be the user's: an answer that is begun cannot be continued."""
    content: str | list[Block]


class _Conversation(ExtendedRequest):
    model: str
    """A model, an alias, or `auto`: the router chooses."""
    messages: list[InputMessage]
    system: str | list[Block] | None = None
    tools: list[AnthropicTool] | None = None
    """What the model may ask the caller to run."""
    tool_choice: Choice | None = None
    thinking: dict[str, Any] | None = None
    """Only `{"type": "disabled"}` is supported."""
    output_config: OutputConfig | None = None
    mcp_servers: list[Any] | None = None
    """Not supported."""


class CountRequest(_Conversation):
    pass


class MessageRequest(_Conversation):
    max_tokens: Annotated[int, Field(ge=1)]
    """Tokens of the answer at most; a model that may give fewer gives fewer."""
    stream: bool = False
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Field(ge=1, le=2**31)] | None = None
    container: Any = None
    """Not supported."""


class TextBlock(AnswerShape):
    type: Literal["text"] = "text"
    text: str


class ToolUseBlock(AnswerShape):
    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


class MessageUsage(AnswerShape):
    input_tokens: int
    """Without those that were read from a cache."""
    output_tokens: int
    cache_read_input_tokens: int


class Message(AnswerShape):
    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    """The model that answered."""
    content: list[TextBlock | ToolUseBlock]
    stop_reason: Literal["end_turn", "max_tokens", "tool_use"] | None
    stop_sequence: None = None
    """Never told: a stop sequence that ends an answer counts as its end."""
    usage: MessageUsage
    olo: dict[str, Any] | None = None
    """What the gateway adds: the run, why this model, the passages."""


class Counted(AnswerShape):
    input_tokens: int


class ErrorDetail(AnswerShape):
    type: str
    message: str


class AnthropicError(AnswerShape):
    type: Literal["error"] = "error"
    error: ErrorDetail
