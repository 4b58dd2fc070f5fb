"""Models and what is known of their instances, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class ModelType(Enum):
    """What a model does; the value is what people call it."""

    LLM = "text"
    EMBEDDING = "embedding"


class Stamp(NamedTuple):
    """The place of an event in the life of its instance: later events compare greater."""

    epoch: int
    """Grows with each start of the process."""
    seq: int
    """Grows with each event of one epoch."""


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the catalogue. What is None is not known."""

    model_id: str
    model_type: ModelType
    priority: int
    default_flag: bool
    enabled: bool
    context_limit: int
    task_queue: str
    embedding_dimension: int = 0
    hardware: str = ""
    """`cpu` or `gpu`."""
    quality: float | None = None
    """0 to 1."""
    input_cost: float | None = None
    """US dollars for 1000 tokens of the prompt."""
    output_cost: float | None = None
    """US dollars for 1000 tokens of the answer."""
    labels: frozenset[tuple[str, str]] = frozenset()
    capabilities: frozenset[str] = frozenset()
    allowed_tenants: frozenset[str] = frozenset()
    """Empty: every tenant."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that stands for models, each with its weight."""

    name: str
    targets: tuple[tuple[str, int], ...]
    shadow: tuple[str, int] | None = None
    """A model that requests are mirrored to, and of a hundred of them how many."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as the registry lists it."""

    instance_id: str
    model_id: str
    stamp: Stamp
    address: str
    max_concurrency: int
    in_flight: int
    draining: bool
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An instance is alive, and this busy."""

    instance_id: str
    model_id: str
    stamp: Stamp
    in_flight: int
    draining: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """An instance has ended."""

    instance_id: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try at an instance ended. Times are in seconds; what is 0 was not told."""

    model_id: str
    instance_id: str
    duration: float
    failure_reason: str = ""
    at_fault: bool = False
    """Whether the failure speaks against the instance, and not against the request."""
    first_token: float = 0.0
    generation: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it gave an answer."""
        return not self.failure_reason


@dataclass(frozen=True, slots=True)
class CatalogueUpdate:
    """What the registry says: everything (`snapshot`), or what has changed, as it is now."""

    version: int
    registry_epoch: str
    snapshot: bool
    models: tuple[tuple[Model, tuple[Instance, ...]], ...]
    removed_model_ids: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    removed_aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the queue of a model."""

    count: int
    """Requests, about."""
    oldest: float
    """Seconds that the first of them has waited."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the instances of one model are, all that live taken together."""

    ready: int = 0
    """Instances that live and take work."""
    draining: int = 0
    """Instances that live and take nothing new."""
    held: int = 0
    """Instances that live and are kept out: quarantined by the registry, or their circuit breaker is open."""
    capacity: int = 0
    """Slots of the ready ones."""
    in_flight: int = 0
    """Requests on the ready ones, those just handed out included."""
    best_instance_id: str = ""
    """The ready one with the most free slots."""
    best_address: str = ""
    """Its gRPC address."""

    @property
    def free_slots(self) -> int:
        """Requests that could start now."""
        return max(0, self.capacity - self.in_flight)

    @property
    def at_capacity(self) -> bool:
        """Whether a request would wait."""
        return self.in_flight >= self.capacity
