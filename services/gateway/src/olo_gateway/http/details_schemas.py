"""The shapes of what the gateway tells of a run beside its answer."""

from __future__ import annotations

from olo_gateway.http.rag_schemas import Citation, Grounding
from olo_gateway.http.shapes import AnswerShape


class ScoreComponent(AnswerShape):
    name: str
    value: float
    """0 to 1."""
    weight: float
    detail: str


class Candidate(AnswerShape):
    model_id: str
    score: float
    reason: str
    """What put it in its place: `requested`, `conversation`, `default`, `priority`, `available`, `profile`."""
    explanation: str
    at_capacity: bool
    components: list[ScoreComponent]
    """Of the score under a profile."""


class Rejection(AnswerShape):
    model_id: str
    filter: str
    detail: str


class Selection(AnswerShape):
    chosen_index: int
    """Position in `candidates` of the one that answered."""
    candidates: list[Candidate]
    rejections: list[Rejection]
    profile: str
    snapshot_version: int
    """Of the router's view of the models."""
    alias: str | None
    """The alias that was asked for."""
    complexity: float | None
    """0 to 1, complex from 0.5 on; where the profile was chosen by it."""
    mirrored_to: str | None
    """The model that is given the request too, to compare the answers."""


class Timings(AnswerShape):
    """Milliseconds."""

    retrieve: float
    select: float
    generate: float
    """Waiting for a free slot included."""
    total: float
    queue: float
    """The part of `generate` that was spent in queues, as far as it is known."""
    parked: float
    """Waiting for a model to become available."""


class Attempt(AnswerShape):
    candidate: int
    """Number of the candidate, from 1."""
    model_id: str
    failure_reason: str | None
    cause: str | None
    """What kind of failure it was, such as `heartbeat`, `overloaded`, `bad_output`."""
    duration: float
    """Milliseconds."""


class RunDetails(AnswerShape):
    """What the gateway adds to an answer."""

    run_id: str
    model: str
    selection: Selection
    citations: list[Citation]
    grounding: Grounding | None
    """Set where passages were asked for."""
    timings: Timings
    attempts: list[Attempt]
