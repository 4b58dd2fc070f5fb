"""What a caller asks for, whatever the dialect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.forms import ANY_TEXT, FREE_CHOICE, Format, ResponseOptions, Tool, ToolCall, ToolChoice
from olo_gateway.runs.rag import Rag


class Role(Enum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    content: str
    name: str = ""
    """Who speaks, where several share a role."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of the assistant."""
    tool_call_id: str = ""
    """The call that a turn of the role TOOL answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to decode; None leaves it to the model."""

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
    """How many of the likeliest tokens are told beside each one of the answer."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Ids of tokens of the model, growing, with what is added to their logits."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What the model must offer; what is None, empty or 0 does not matter."""

    min_quality: float | None = None
    """0 to 1."""
    max_latency: float | None = None
    """Seconds for the whole answer."""
    max_cost_per_1k_tokens: float | None = None
    """US dollars."""
    min_context: int = 0
    hardware: str = ""
    """`cpu` or `gpu`."""
    labels: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedPassage:
    """A passage as an earlier run has found it."""

    document_id: str
    title: str
    source: str
    chunk_id: str
    score: float
    text: str
    start_offset: int = 0
    end_offset: int = 0
    page: int = 0
    heading_path: tuple[str, ...] = ()
    document_version: int = 0
    context_text: str = ""
    """The text around it, where that was put before the model in its place."""


@dataclass(frozen=True, slots=True)
class ChatOrder:
    """A request for one answer."""

    turns: tuple[Turn, ...]
    model: str = ""
    sampling: Sampling = Sampling()
    rag: Rag | None = None
    timeout: float | None = None
    """Seconds that the run may take; None: the default."""
    wait_for_model: float | None = None
    """Seconds that the run may wait for a model to become available; None: it fails where there is none."""
    allow_fallback: bool = False
    priority: Priority = Priority.NORMAL
    request_id: str = ""
    new: bool = False
    """Whether its caller says that no earlier try with this request id can have been accepted."""
    store: bool = False
    """Whether the run goes on when its caller hangs up."""
    profile: str = ""
    """Name of a routing profile; empty: the router's default."""
    constraints: Constraints | None = None
    conversation_id: str = ""
    passages: tuple[RecordedPassage, ...] = ()
    """Put before the model in the place of a search."""
    response_format: Format = ANY_TEXT
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = FREE_CHOICE
    n: int = 1
    """How many answers."""
    metadata: tuple[tuple[str, str], ...] = ()
    """What the caller keeps beside the run."""
    response: ResponseOptions | None = None
    """Set where the order is a call of the Responses API."""

    def within(self, seconds: float | None) -> ChatOrder:
        """The order with no more time than the caller's transport will wait."""
        if seconds is None or (self.timeout is not None and self.timeout <= seconds):
            return self
        return replace(self, timeout=max(seconds, 0.001))
