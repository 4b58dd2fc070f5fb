"""The shapes of the Ollama dialect, as far as the gateway speaks it. What is not known is null.

Unknown keys are ignored. Known ones whose meaning the gateway could not keep are refused, see `orders`.
"""

from __future__ import annotations

from typing import Any, Literal

from olo_gateway.http.extras import ExtendedRequest
from olo_gateway.http.shapes import AnswerShape, RequestShape

Dated = str
"""A time in RFC 3339."""


class Options(RequestShape):
    """How to decode. Those that say how a server loads a model, such as num_ctx and num_gpu, are ignored."""

    num_predict: int | None = None
    """Tokens of the answer at most; 0 and below: as many as the model may."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    """0 and below: no limit."""
    seed: int | None = None
    """Below 0: none."""
    stop: str | list[str] | None = None
    repeat_penalty: float | None = None
    min_p: float | None = None
    """Only 0 is supported."""
    typical_p: float | None = None
    """Only 1 is supported."""
    tfs_z: float | None = None
    """Only 1 is supported."""
    mirostat: int | None = None
    """Only 0 is supported."""
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class OllamaFunctionCall(RequestShape):
    name: str
    arguments: dict[str, Any]


class CalledTool(RequestShape):
    id: str | None = None
    function: OllamaFunctionCall


class OfferedFunction(RequestShape):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema."""


class OllamaTool(RequestShape):
    type: Literal["function"] = "function"
    function: OfferedFunction


class Message(RequestShape):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: list[Any] | None = None
    """Not supported."""
    tool_calls: list[CalledTool] | None = None
    """Of the assistant."""
    tool_name: str | None = None
    """With the role `tool`: the tool that has answered."""
    tool_call_id: str | None = None
    """With the role `tool`: the call that is answered; without it, the first one of the tool."""


class _AnswerRequest(ExtendedRequest):
    model: str
    """A model with or without its tag `latest`, an alias, or `auto`: the router chooses."""
    stream: bool = True
    options: Options | None = None
    format: Literal["", "json"] | dict[str, Any] | None = None
    """`json`, or a JSON Schema that the answer meets. It is checked when the answer is whole."""
    keep_alive: float | str | None = None
    """Means nothing while a prompt is answered: the workers keep their models."""
    think: bool | str | None = None
    """Only false is supported."""
    logprobs: bool | None = None
    """The last line tells them, all at once."""
    top_logprobs: int | None = None
    """How many of the likeliest tokens are told beside each token, 0 to 20; needs `logprobs`."""


class ChatRequest(_AnswerRequest):
    messages: list[Message] | None = None
    """None at all asks whether the model is loaded."""
    tools: list[OllamaTool] | None = None
    """What the model may ask the caller to run."""


class GenerateRequest(_AnswerRequest):
    prompt: str | None = None
    """An empty one asks whether the model is loaded."""
    system: str | None = None
    suffix: str | None = None
    """Not supported."""
    template: str | None = None
    """Not supported: the prompt is rendered by the template of the model."""
    raw: bool | None = None
    """Only false is supported."""
    context: list[int] | None = None
    """Not supported: use /api/chat, which takes the conversation."""
    images: list[Any] | None = None
    """Not supported."""


class EmbedRequest(RequestShape):
    model: str
    input: str | list[str]
    truncate: bool | None = None
    """Only true is supported: the model cuts off what is longer than it reads."""
    dimensions: int | None = None
    """Only the model's own is supported."""


class EmbeddingsRequest(RequestShape):
    model: str
    prompt: str


class NamedRequest(RequestShape):
    model: str | None = None
    name: str | None = None
    """The older word for `model`."""
    stream: bool = True


class CopyRequest(RequestShape):
    source: str
    """A model."""
    destination: str
    """The alias that shall stand for it."""


class ErrorLine(AnswerShape):
    error: str


class AnsweredFunction(AnswerShape):
    name: str
    arguments: dict[str, Any]


class AnsweredCall(AnswerShape):
    id: str
    function: AnsweredFunction


class TopLogprob(AnswerShape):
    token: str
    logprob: float
    bytes: list[int] | None
    """None where the token is a part of a character."""


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob] | None = None


class _Ended(AnswerShape):
    """The figures of the last line, in nanoseconds. `prompt_eval_duration` is not told: it is not known apart."""

    model: str
    created_at: Dated
    done: bool
    done_reason: str | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    """Until the model began: finding passages, choosing, waiting."""
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    """Of the model, for prompt and answer together."""
    olo: dict[str, Any] | None = None
    """What the gateway adds: the run, why this model, the passages."""
    logprobs: list[TokenLogprob] | None = None


class OllamaMessage(AnswerShape):
    role: Literal["assistant"] = "assistant"
    content: str
    tool_calls: list[AnsweredCall] | None = None
    """What the caller shall run."""


class ChatAnswer(_Ended):
    message: OllamaMessage


class GenerateAnswer(_Ended):
    response: str


class EmbedAnswer(AnswerShape):
    model: str
    embeddings: list[list[float]]
    total_duration: int
    prompt_eval_count: int


class EmbeddingsAnswer(AnswerShape):
    embedding: list[float]


class Details(AnswerShape):
    parent_model: str = ""
    format: str | None = None
    family: str | None = None
    families: list[str] | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None


class ListedModel(AnswerShape):
    name: str
    model: str
    modified_at: Dated
    size: int | None = None
    digest: str | None = None
    details: Details
    capabilities: list[str]


class Tags(AnswerShape):
    models: list[ListedModel]


class LoadedModel(AnswerShape):
    name: str
    model: str
    size: int | None = None
    size_vram: int | None = None
    digest: str | None = None
    expires_at: Dated | None = None
    """Null: the workers keep their models."""
    context_length: int
    details: Details


class Loaded(AnswerShape):
    models: list[LoadedModel]


class Shown(AnswerShape):
    modified_at: Dated
    license: str
    template: str = ""
    parameters: str = ""
    details: Details
    model_info: dict[str, Any]
    capabilities: list[str]


class Version(AnswerShape):
    version: str


class Status(AnswerShape):
    status: str
