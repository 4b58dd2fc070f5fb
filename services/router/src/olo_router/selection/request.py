"""What is asked, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from olo_router.types import Load, Model, ModelType

DEFAULT_MAX_CANDIDATES = 3


class Reason(Enum):
    """Which step of the order put a candidate in its place."""

    REQUESTED = "requested"
    DEFAULT = "default"
    PRIORITY = "priority"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be answered. An empty `model` leaves the choice to the router."""

    model_type: ModelType = ModelType.LLM
    model: str = ""
    min_context: int = 0
    max_candidates: int = DEFAULT_MAX_CANDIDATES
    allow_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer."""

    model: Model
    load: Load
    score: float
    reason: Reason
    explanation: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A model that may not answer, and the filter that says so."""

    model_id: str
    filter: str
    detail: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates, best first, and what was filtered out."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
