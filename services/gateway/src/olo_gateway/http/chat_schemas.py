"""The shapes of chat completions in the OpenAI dialect, as far as the gateway speaks it, and what it adds.

Unknown keys of a request are ignored, so that newer clients work. Known ones whose meaning the gateway could not keep
are refused by `orders`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from olo_gateway.http.details_schemas import RunDetails
from olo_gateway.http.rag_schemas import Annotation, RagOptions
from olo_gateway.http.shapes import AnswerShape, RequestShape
from olo_gateway.http.tool_schemas import (
    LogprobsAnswer,
    NamedToolChoice,
    ResponseFormat,
    ToolCall,
    ToolCallAnswer,
    ToolDefinition,
)


class ContentPart(RequestShape):
    type: str
    """Only `text` is supported."""
    text: str | None = None


class ChatMessage(RequestShape):
    role: Literal["developer", "system", "user", "assistant", "tool"]
    """`developer` means `system`, which only the first message may be."""
    content: str | list[ContentPart] | None = None
    name: str | None = None
    """Who speaks, where several share a role."""
    tool_calls: list[ToolCall] | None = None
    """The calls that the assistant made in this turn."""
    tool_call_id: str | None = None
    """With the role `tool`: the call that this message answers."""


class StreamOptions(RequestShape):
    include_usage: bool | None = None
    """Whether one more chunk, before the end, tells the tokens that were used."""


class RoutingConstraints(RequestShape):
    """What the model must offer. A quality or cost that is not known does not meet a constraint."""

    min_quality: float | None = None
    """0 to 1."""
    max_latency: float | None = None
    """Seconds that the whole answer may be expected to take."""
    max_cost_per_1k_tokens: float | None = None
    """US dollars, a quarter of the tokens of the answer."""
    min_context: Annotated[int, Field(ge=0)] | None = None
    """Tokens."""
    hardware: Literal["cpu", "gpu"] | None = None
    labels: dict[str, str] | None = None
    capabilities: list[str] | None = None
    """Such as `tools` or `json`."""


class ChatCompletionRequest(RequestShape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "auto", "messages": [{"role": "user", "content": "Where does the Nile rise?"}]},
                {
                    "messages": [{"role": "user", "content": "Where does the Nile rise?"}],
                    "rag": {"collection": "demo", "top_k": 4},
                    "stream": True,
                },
            ]
        }
    )

    messages: list[ChatMessage]
    model: str | None = None
    """A model id; `auto`, or none: the router chooses."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    """The newer name of `max_tokens`; it wins where both are given."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Field(ge=1, le=2**31)] | None = None
    repetition_penalty: float | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: str | list[str] | None = None
    rag: RagOptions | None = None
    """Ask for an answer from the passages of a collection."""
    timeout: float | None = None
    """Seconds that the whole run may take."""
    wait_for_model: float | None = None
    """Seconds that the run may wait for a model to become available; without it, there is an error at once."""
    allow_fallback: bool | None = None
    """Whether another model may answer where the named one cannot."""
    store: bool | None = None
    """Let the run go on when the caller hangs up; its answer can be retrieved later."""
    routing_profile: str | None = None
    """What the choice of a model weighs: `quality`, `balanced`, `speed`, `budget`, `long_context` or one that the
    operator has made; `auto` goes by the complexity of the prompt."""
    constraints: RoutingConstraints | None = None
    conversation_id: str | None = None
    """Requests with the same one stay with one model while that can answer."""
    n: int | None = None
    """How many answers, 1 to 16 and at most what an instance of the model computes at once."""
    tools: list[ToolDefinition] | None = None
    """Functions that the model may call; the caller runs them."""
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    """`false`: at most one call is made."""
    functions: list[Any] | None = None
    """Not supported; `tools` are."""
    function_call: Any = None
    """Only `none` and `auto` are supported; see `tool_choice`."""
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    """Whether the log probability of each token is told; in a stream, in its last chunk."""
    top_logprobs: int | None = None
    """How many of the likeliest tokens are told beside each token of the answer, 0 to 20; needs `logprobs`. Engines
    that tell of the chosen token alone refuse it."""
    logit_bias: dict[str, float] | None = None
    """What is added to the logits of tokens, by their ids in the model, which must be named; at most 300, -100 to 100.
    -100 bans a token. Engines that can do nothing else refuse other values than 0."""
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    presence_penalty: float | None = None
    """Engines without such a penalty refuse other values than 0; see `repetition_penalty`."""
    frequency_penalty: float | None = None
    """Engines without such a penalty refuse other values than 0; see `repetition_penalty`."""
    metadata: dict[str, str] | None = None
    """At most 16 keys of 1 to 64 characters, with values of at most 512; kept with the run."""
    modalities: list[str] | None = None
    """Only `["text"]` is supported."""
    audio: Any = None
    """Not supported."""
    prediction: Any = None
    """Not supported."""


class Usage(AnswerShape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class AnswerMessage(AnswerShape):
    role: Literal["assistant"] = "assistant"
    content: str | None
    """None where there are only calls of tools."""
    refusal: None = None
    annotations: list[Annotation] = Field(default_factory=list)
    """The marks whose passages support them."""
    tool_calls: list[ToolCallAnswer] | None = None


class Choice(AnswerShape):
    index: int = 0
    message: AnswerMessage
    logprobs: LogprobsAnswer | None = None
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(AnswerShape):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    """The model that answered."""
    choices: list[Choice]
    usage: Usage
    olo: RunDetails
