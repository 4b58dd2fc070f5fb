"""One model of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from olo_contracts.queues import embedding_queue, llm_queue
from olo_registry.types import HardwareType, ModelType

MAX_PRIORITY = 1000


def task_queue_of(model_id: str, model_type: ModelType) -> str:
    """The task queue on which the instances of a model wait."""
    return llm_queue(model_id) if model_type is ModelType.LLM else embedding_queue(model_id)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model. Type, context limit, hardware and dimension its instances say; the rest is the operator's policy."""

    model_id: str
    model_name: str
    model_type: ModelType
    priority: int
    default_flag: bool
    enabled: bool
    context_limit: int
    hardware_type: HardwareType
    embedding_dimension: int
    create_time: datetime
    update_time: datetime
    quality_score: float | None = None
    """0 to 1; None: what the benchmarks say."""
    cost_per_1k_input_tokens: float | None = None
    """US dollars; None: what the benchmarks say."""
    cost_per_1k_output_tokens: float | None = None
    """US dollars; None: what the benchmarks say."""
    labels: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    """Empty: what all live instances say that they can do."""
    allowed_tenants: tuple[str, ...] = ()
    """Empty: all."""

    @property
    def task_queue(self) -> str:
        """The task queue on which its instances wait."""
        return task_queue_of(self.model_id, self.model_type)


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""Leaves a field as it is; None is a value."""


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What the operator changes."""

    model_name: str | Unset = UNSET
    priority: int | Unset = UNSET
    default_flag: bool | Unset = UNSET
    enabled: bool | Unset = UNSET
    quality_score: float | Unset | None = UNSET
    cost_per_1k_input_tokens: float | Unset | None = UNSET
    cost_per_1k_output_tokens: float | Unset | None = UNSET
    labels: Mapping[str, str] | Unset = UNSET
    capabilities: tuple[str, ...] | Unset = UNSET
    allowed_tenants: tuple[str, ...] | Unset = UNSET

    def values(self) -> dict[str, object]:
        """The fields that change, by name, with their new values."""
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in pairs if value is not UNSET}
