"""What instances say of themselves, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class ModelType(Enum):
    """What a model does."""

    LLM = "llm"
    EMBEDDING = "embedding"


class HardwareType(Enum):
    """What a model runs on."""

    CPU = "cpu"
    GPU = "gpu"


class Stamp(NamedTuple):
    """The place of an event in the life of its instance: later events compare greater."""

    epoch: int
    """Grows with each start of the process."""
    seq: int
    """Grows with each event of one epoch."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An instance and the model that it serves. `priority` and `default_flag` are wishes."""

    instance_id: str
    model_id: str
    stamp: Stamp
    model_name: str
    model_type: ModelType | None
    priority: int
    default_flag: bool
    max_concurrency: int
    context_limit: int
    hardware_type: HardwareType | None
    address: str
    task_queue: str
    embedding_dimension: int = 0
    in_flight: int = 0
    draining: bool = False
    capabilities: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


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
