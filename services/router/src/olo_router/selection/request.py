"""What is asked, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from olo_router.selection.constraints import NONE, Constraints
from olo_router.selection.profiles import Profile
from olo_router.selection.scoring import Component
from olo_router.types import Load, Model, ModelType

DEFAULT_MAX_CANDIDATES = 3
DEFAULT_COMPLETION_TOKENS = 128


class Reason(Enum):
    """Which step of the order put a candidate in its place."""

    REQUESTED = "requested"
    DEFAULT = "default"
    PRIORITY = "priority"
    AVAILABLE = "available"
    PROFILE = "profile"
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be answered. An empty `model` leaves the choice to the router.

    `profile` is what a name or the complexity of the prompt has come to; None is the order by default flag and
    priority. `sticky_model` has answered this conversation before.
    """

    model_type: ModelType = ModelType.LLM
    model: str = ""
    min_context: int = 0
    max_candidates: int = DEFAULT_MAX_CANDIDATES
    allow_fallback: bool = False
    profile: Profile | None = None
    constraints: Constraints = NONE
    tenant: str = ""
    request_id: str = ""
    affinity_key: str = ""
    sticky_model: str = ""
    deadline: float | None = None
    """Seconds that are left."""
    prompt_tokens: int = 0
    completion_tokens: int = DEFAULT_COMPLETION_TOKENS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer."""

    model: Model
    load: Load
    score: float
    reason: Reason
    explanation: str
    components: tuple[Component, ...] = ()
    wait: float = 0.0
    """Seconds until a slot is free, as far as that can be told."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A model that may not answer, and the filter that says so."""

    model_id: str
    filter: str
    detail: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """A model that is given the request once it is answered, or why it is not."""

    model_id: str
    task_queue: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates, best first, and what was filtered out."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
    alias: str = ""
    shadow: Shadow | None = None
    """Where this request was drawn to be mirrored."""
