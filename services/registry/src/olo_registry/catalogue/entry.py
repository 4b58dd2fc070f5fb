"""One model of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from olo_contracts.queues import embedding_queue, llm_queue
from olo_registry.types import HardwareType, ModelType

MAX_PRIORITY = 1000


def task_queue_of(model_id: str, model_type: ModelType) -> str:
    """The task queue on which the instances of a model wait."""
    return llm_queue(model_id) if model_type is ModelType.LLM else embedding_queue(model_id)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model. Name, priority, default and enabled are the operator's policy; the rest its instances have said."""

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

    @property
    def task_queue(self) -> str:
        """The task queue on which its instances wait."""
        return task_queue_of(self.model_id, self.model_type)


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What the operator changes; None leaves a field as it is."""

    model_name: str | None = None
    priority: int | None = None
    default_flag: bool | None = None
    enabled: bool | None = None
