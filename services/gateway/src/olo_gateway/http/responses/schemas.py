"""The shapes of the Responses API, as far as the gateway speaks it, and what it adds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from olo_gateway.http.chat_schemas import RoutingConstraints, StreamOptions
from olo_gateway.http.details_schemas import RunDetails
from olo_gateway.http.rag_schemas import RagOptions
from olo_gateway.http.shapes import AnswerShape, RequestShape


class InputPart(RequestShape):
    type: str
    """`input_text` or `output_text`."""
    text: str | None = None


class InputItem(RequestShape):
    """A message, a call that the model has made, or the output of one."""

    type: str = "message"
    """`message`, `function_call` or `function_call_output`; `reasoning` is left out."""
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[InputPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[InputPart] | None = None


class FunctionTool(RequestShape):
    type: str
    """Only `function` is supported."""
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments."""
    strict: bool | None = None


class FunctionChoice(RequestShape):
    type: Literal["function"]
    name: str


class TextFormat(RequestShape):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextOptions(RequestShape):
    format: TextFormat | None = None


class CreateResponse(RequestShape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "auto", "input": "Where does the Nile rise?"},
                {"model": "auto", "input": "Summarise our handbook.", "background": True},
            ]
        }
    )

    input: str | list[InputItem]
    model: str | None = None
    """A model id; `auto`, or none: the router chooses."""
    instructions: str | None = None
    """What the system says first; responses that continue this one do not inherit it."""
    previous_response_id: str | None = None
    """The stored response whose conversation this one continues."""
    background: bool | None = None
    """Answer at once with a response that is `queued`, and go on without the caller."""
    store: bool | None = None
    """`false`: the response cannot be retrieved, and ends when its caller hangs up. Otherwise it is kept for as long as
    Temporal keeps runs, and goes on without its caller."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    text: TextOptions | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    """`false`: at most one call is made."""
    include: list[str] | None = None
    """`message.output_text.logprobs` has an effect."""
    metadata: dict[str, str] | None = None
    top_logprobs: int | None = None
    """How many of the likeliest tokens are told beside each token of the answer, 0 to 20; above 0 it includes
    `message.output_text.logprobs`. Engines that tell of the chosen token alone refuse it."""
    truncation: str | None = None
    """Only `disabled` is supported."""
    conversation: Any = None
    """Not supported; `previous_response_id` is."""
    prompt: Any = None
    """Not supported."""
    rag: RagOptions | None = None
    """Ask for an answer from the passages of a collection."""
    timeout: float | None = None
    """Seconds that the whole run may take."""
    wait_for_model: float | None = None
    """Seconds that the run may wait for a model to become available; without it, there is an error at once."""
    allow_fallback: bool | None = None
    routing_profile: str | None = None
    constraints: RoutingConstraints | None = None
    conversation_id: str | None = None
    """Requests with the same one stay with one model while that can answer."""


class InputTokensDetails(AnswerShape):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(AnswerShape):
    reasoning_tokens: int = 0


class ResponseUsage(AnswerShape):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFailure(AnswerShape):
    code: str
    """A stable reason for programs."""
    message: str


class Response(AnswerShape):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    error: ResponseFailure | None
    incomplete_details: dict[str, str] | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    """The model that answered; until then the one that was asked for."""
    output: list[dict[str, Any]]
    parallel_tool_calls: bool
    previous_response_id: str | None
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float | None
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None
    olo: RunDetails | None
    """What the gateway adds to an answer."""


class InputItems(AnswerShape):
    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(AnswerShape):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True
