"""The shapes of legacy completions."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from olo_gateway.http.chat_schemas import StreamOptions, Usage
from olo_gateway.http.shapes import AnswerShape, RequestShape

TokenId: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]


class CompletionRequest(RequestShape):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "auto", "prompt": "Where does the Nile rise?"}]}
    )

    prompt: str | list[str] | list[TokenId] | list[list[TokenId]]
    """A text, or at most 16; each becomes the user's turn of the model's chat template. Tokens of the model, which
    must be named then, stand for the text that they make, control tokens left out."""
    model: str | None = None
    """A model id; `auto`, or none: the router chooses."""
    stream: bool | None = None
    """With one prompt."""
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Field(ge=1, le=2**31)] | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    """Answers for each prompt."""
    echo: bool | None = None
    """Put the prompt before the answer; not with logprobs."""
    logprobs: int | None = None
    """Tell the log probability of each token, and of so many of the likeliest ones at its place, 0 to 20; in a stream,
    in its last chunk. Engines that tell of the chosen token alone refuse more than 0."""
    best_of: int | None = None
    """Only 1 is supported."""
    suffix: str | None = None
    """Not supported."""
    logit_bias: dict[str, float] | None = None
    """What is added to the logits of tokens, by their ids in the model, which must be named; see chat completions."""
    timeout: float | None = None
    """Seconds that the whole run may take."""
    wait_for_model: float | None = None
    """Seconds that the run may wait for a model to become available; without it, there is an error at once."""
    allow_fallback: bool | None = None


class TextLogprobs(AnswerShape):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None = None
    """For each token: the likeliest ones at its place, and itself."""
    text_offset: list[int]
    """Where each token begins in the text, in characters."""


class TextChoice(AnswerShape):
    text: str
    index: int
    logprobs: TextLogprobs | None = None
    finish_reason: Literal["stop", "length", "tool_calls"]


class TextCompletion(AnswerShape):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    """The model that answered; the last one, where several did."""
    choices: list[TextChoice]
    usage: Usage
