"""A live instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from olo_registry.types import Announcement, HardwareType, ModelType, Stamp


@dataclass(frozen=True, slots=True)
class Instance:
    """One process that serves one model, as its last event left it."""

    instance_id: str
    model_id: str
    model_type: ModelType
    address: str
    task_queue: str
    max_concurrency: int
    context_limit: int
    embedding_dimension: int
    hardware_type: HardwareType
    announce_time: datetime
    stamp: Stamp
    in_flight: int
    draining: bool
    capabilities: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, str]:
        """What all live instances of one model have in common, by field."""
        return {
            "model_type": self.model_type.value,
            "context_limit": str(self.context_limit),
            "embedding_dimension": str(self.embedding_dimension),
        }

    @property
    def lasting(self) -> tuple[object, ...]:
        """What heartbeats do not change all the time; a difference is worth telling."""
        return (
            self.facts,
            self.model_id,
            self.address,
            self.max_concurrency,
            self.hardware_type,
            self.draining,
            self.capabilities,
            self.labels,
        )


def instance_of(said: Announcement, types: tuple[ModelType, HardwareType], now: datetime) -> Instance:
    """The instance that a valid announcement describes."""
    return Instance(
        instance_id=said.instance_id,
        model_id=said.model_id,
        model_type=types[0],
        address=said.address,
        task_queue=said.task_queue,
        max_concurrency=said.max_concurrency,
        context_limit=said.context_limit,
        embedding_dimension=said.embedding_dimension,
        hardware_type=types[1],
        announce_time=now,
        stamp=said.stamp,
        in_flight=said.in_flight,
        draining=said.draining,
        capabilities=said.capabilities,
        labels=said.labels,
    )
