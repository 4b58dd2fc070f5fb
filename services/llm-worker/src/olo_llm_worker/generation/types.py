"""The values that the core speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model makes; `arguments` is JSON text of an object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON Schema as JSON text, or empty."""

    name: str
    description: str = ""
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools may (neither flag), must or must not be called; `name` is the one that must.

    `single` has only the first of several calls count.
    """

    required: bool = False
    none: bool = False
    name: str = ""
    single: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the answer must be: any text, a JSON object (`json`), or JSON that `schema` (JSON text) accepts.

    `constrained` has each token held to it, not only the finished answer.
    """

    json: bool = False
    schema: str = ""
    constrained: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` is system, user, assistant or tool."""

    role: str
    content: str
    name: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


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
    min_tokens: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: bool = False
    top_logprobs: int = 0
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Token ids with what is added to their logits, each once."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Options as an engine obeys them. Answers whose options are equal may share a batch."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    repetition_penalty: float = 1.0
    min_tokens: int = 0
    logprobs: bool = False
    schema: str = ""
    """JSON Schema that each token must keep to; empty: any token will do."""
    top_logprobs: int = 0
    """How many of the likeliest tokens are told at each place."""
    banned: tuple[int, ...] = ()
    """Tokens that are never chosen, in growing order."""

    @property
    def solitary(self) -> bool:
        """Whether the engine computes such an answer alone: it looks at the scores of all tokens at each place."""
        return bool(self.schema) or self.top_logprobs > 0

    @property
    def positional(self) -> bool:
        """Whether it matters where the answer begins: prompts of unequal length may not share a batch then."""
        return self.repetition_penalty != 1.0 or self.min_tokens > 0


class Isolation(Enum):
    """How long a job has the engine for itself."""

    NONE = auto()
    FIRST_TOKEN = auto()
    """Until each of its answers has a token."""
    WHOLE_ANSWER = auto()


class Company(Enum):
    """Who is with a job in the engine."""

    OUTSIDE = "outside"
    """The engine has not had the job yet."""
    SHARED = "shared"
    """Others may be there."""
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be generated.

    `timeout` is in seconds from now; `prefix_token_ids` is the beginning of the answer, from an earlier attempt;
    `n` is the number of answers; `isolation` keeps others out of the engine.
    """

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    prefix_token_ids: tuple[int, ...] = ()
    timeout: float | None = None
    n: int = 1
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    isolation: Isolation = Isolation.NONE


class Finish(Enum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with the natural logarithm of its probability, and of an answer the likeliest ones at its place."""

    text: str
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One finished answer."""

    text: str
    finish: Finish
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: from arrival to dispatch, from dispatch to the first token, from dispatch to the end."""

    queue: float
    first_token: float
    total: float


@dataclass(frozen=True, slots=True)
class Result:
    """Finished answers, at least one; a resumed prefix belongs to text and completion tokens."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    timings: Timings

    @property
    def text(self) -> str:
        """The text of the first answer."""
        return self.choices[0].text

    @property
    def finish(self) -> Finish:
        """Why the first answer ended."""
        return self.choices[0].finish


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. `offset` counts UTF-8 bytes within the choice.

    `done` is set on the last chunk of each choice; `result` on the last chunk of all.
    """

    seq: int
    offset: int
    text: str
    choice: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    done: Choice | None = None
    result: Result | None = None
