"""What clients have asked and seen, and what is stored at the end: all that the checker looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a try ended, as far as its caller can tell."""

    OK = "ok"
    FAIL = "fail"
    INDETERMINATE = "indeterminate"
    """The connection broke, or the answer did not come in time: the run may exist and may end in any way."""


@dataclass
class Try:
    """One call of one client. Times are seconds since the epoch."""

    began: float
    ended: float = 0.0
    outcome: Outcome = Outcome.INDETERMINATE
    reason: str = ""
    retry_after: float = 0.0
    """Seconds after which the client was told to come back."""
    run_id: str = ""
    """Set once the caller was told that the run is durable."""
    answer: str = ""
    model: str = ""
    streamed: str | None = None
    """Deltas since the last reset, joined, as this call gave them; None for calls that do not stream."""
    resets: int = 0
    misplaced: int = 0
    """Deltas whose offset was not the end of what this call had shown."""


@dataclass
class Asked:
    """A request: an idempotency key with all tries that were made with it."""

    number: int
    request_id: str
    stream: bool
    rag: bool
    model: str
    tries: list[Try] = field(default_factory=list)
    repaired: str = ""
    """What a client that resumes its stream has shown over all tries, since the last reset that it was told."""
    poison: bool = False
    """Whether it kills every worker that takes it."""

    @property
    def accepted(self) -> bool:
        """Whether a caller was told that the request is durable, or got its answer."""
        return any(attempt.run_id for attempt in self.tries)

    @property
    def last(self) -> Try | None:
        """The try that settled it."""
        return self.tries[-1] if self.tries else None


@dataclass
class Stored:
    """What Temporal and the gateway say of one request id at the end."""

    states: list[str]
    """The state of each workflow execution with the run's id: at most one may exist."""
    answer: str = ""
    model: str = ""
    reason: str = ""
    completions: int = 0
    """Generations that were recorded as completed."""
    attempts: list[tuple[int, str]] = field(default_factory=list)
    """Candidate number and failure reason of each try of a model, in order."""


@dataclass
class Fault:
    """What was done to the stack. Times are seconds since the epoch."""

    name: str
    part: str
    began: float
    ended: float = 0.0
    pid: int = 0


@dataclass(frozen=True)
class Token:
    """One token as its process wrote it down."""

    time: float
    process: int
    number: int
    place: int


@dataclass
class History:
    """A whole run."""

    seed: int
    asked: list[Asked] = field(default_factory=list)
    stored: dict[str, Stored] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    processes: dict[int, int] = field(default_factory=dict)
    """The engine's process name by pid."""
    kills: list[int] = field(default_factory=list)
    """The number of the request, for each engine that one has killed."""
