"""The values that the relay speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal


class Finish(Enum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    name: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools may or must be called, and which."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str = ""
    single: bool = False
    """Whether only the first of several calls counts."""


@dataclass(frozen=True, slots=True)
class Options:
    """Sampling options as a caller sets them; None leaves the choice to the upstream."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    min_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Token ids of the upstream's model with what is added to their logits."""


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What is asked for. `timeout` is in seconds from now; `schema` is a JSON Schema that the answer must follow."""

    request_id: str
    turns: tuple[Turn, ...]
    options: Options = field(default_factory=Options)
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    json_object: bool = False
    schema: Mapping[str, Any] | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token with its natural-log probability, and of an answer the likeliest ones at its place."""

    text: str
    logprob: float
    top: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the upstream has counted them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of text."""

    text: str
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer; no usage where the upstream does not tell."""

    finish: Finish
    usage: Usage | None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A finished answer. Seconds: waiting for a slot, from then to the first text, from then to the end."""

    text: str
    finish: Finish
    usage: Usage
    calls: tuple[Call, ...]
    logprobs: tuple[Logprob, ...]
    queue: float
    first_text: float
    total: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. `offset` counts UTF-8 bytes; `result` is set on the last chunk alone."""

    seq: int
    offset: int
    text: str
    logprobs: tuple[Logprob, ...]
    result: Result | None = None
