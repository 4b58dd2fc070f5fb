"""The shapes of runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from olo_gateway.http.schemas import Attempt, ChatCompletion


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, protected_namespaces=())


class RunFailure(_Answer):
    reason: str
    """A stable word for programs, such as `no_model_available`."""
    message: str


class RunSummary(_Answer):
    id: str
    object: Literal["run"] = "run"
    state: Literal["running", "completed", "failed", "cancelled", "timed_out", "unknown"]
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
