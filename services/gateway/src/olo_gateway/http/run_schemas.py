"""The shapes of runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from olo_common.described import Described
from olo_gateway.http.chat_schemas import ChatCompletion
from olo_gateway.http.details_schemas import Attempt


class _Answer(Described, BaseModel):
    model_config = ConfigDict(protected_namespaces=())


State = Literal["running", "completed", "failed", "cancelled", "timed_out", "unknown"]


class RunFailure(_Answer):
    reason: str
    """A stable word for programs, such as `no_model_available`."""
    message: str


class RunSummary(_Answer):
    id: str
    object: Literal["run"] = "run"
    state: State
    phase: Literal["retrieving", "selecting", "parked", "queued", "generating"] | None
    """What it is busy with, while it runs."""
    model: str | None
    """The model that it waits for or that answers."""
    created: int
    """Seconds since the epoch."""
    ended: int | None
    """Seconds since the epoch."""
    error: RunFailure | None
    """Set where it has failed."""


class RunList(_Answer):
    object: Literal["list"] = "list"
    data: list[RunSummary]
    """Newest first."""
    next_page_token: str | None
    """For `page_token`; none where there are no further runs."""


class RunReport(RunSummary):
    answer: ChatCompletion | None
    """Set once it has completed."""
    attempts: list[Attempt]
    """What was tried so far."""
    queue_position: int | None
    """About which place it has among those that wait for its model, from 1."""
    estimated_wait: float | None
    """About how many seconds it still waits, where that can be told."""


class RunStep(_Answer):
    """A stretch of a run's time, in seconds since the epoch. Steps may overlap."""

    name: str
    """`retrieve`, `select` and other steps of the run by their names; `queue` and `generate` of each attempt; `park`:
    no model is there; `pause`: before a step is tried again."""
    model: str | None
    """Of `queue` and `generate`."""
    start: float
    end: float | None
    """None: it lasts, or nobody has noted its end."""
    first_token: float | None
    """When a generation had its first token, as far as its worker has told."""
    attempts: int
    """Tries so far; 0 where it has not begun, or is a wait."""
    failure_reason: str | None


class RunTrace(_Answer):
    """Where the time of a run went, in seconds since the epoch."""

    id: str
    object: Literal["run.trace"] = "run.trace"
    state: State
    start: float
    end: float | None
    """None while it runs."""
    steps: list[RunStep]
    """In the order in which they began. What lies between them is the run itself and its worker."""
    trace_id: str | None
    """Of OpenTelemetry, where the run was traced."""
    temporal_url: str | None
    """Its page in Temporal's web interface, where the gateway knows that interface."""
