"""The values that the core speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` is system, user, assistant or tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Options as a caller sets them; None takes the default."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoding:
    """Options as an engine obeys them."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be generated.

    `timeout` is in seconds from now; `prefix_token_ids` is the beginning of the answer, from an earlier attempt.
    """

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    prefix_token_ids: tuple[int, ...] = ()
    timeout: float | None = None


class Finish(Enum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: from arrival to dispatch, from dispatch to the first token, from dispatch to the end."""

    queue: float
    first_token: float
    total: float


@dataclass(frozen=True, slots=True)
class Result:
    """A finished answer; the resumed prefix belongs to text and completion tokens."""

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. `offset` counts UTF-8 bytes; `result` is set on the last chunk alone."""

    seq: int
    offset: int
    text: str
    result: Result | None = None
