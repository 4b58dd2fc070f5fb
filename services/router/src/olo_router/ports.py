"""What the router needs of the world: whoever feeds it, and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from olo_router.learning.learner import Measurement
from olo_router.types import Attempt, Backlog, CatalogueUpdate, Departure, Heartbeat


class Fed(Protocol):
    """Who takes what the adapters bring."""

    async def updated(self, update: CatalogueUpdate) -> None:
        """The registry has said something."""
        ...

    def registry_lost(self) -> None:
        """The registry is away."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """An instance is alive."""
        ...

    def finished(self, attempt: Attempt) -> None:
        """An attempt has ended at an instance."""
        ...

    def left(self, departure: Departure) -> None:
        """An instance has ended."""
        ...


class Waited(Protocol):
    """Who takes what was seen of the queues."""

    def full_queues(self) -> Mapping[str, str]:
        """The task queues, by model, in which requests may be waiting."""
        ...

    def waiting(self, backlogs: Mapping[str, Backlog]) -> None:
        """This is waiting in the queues of models."""
        ...


class Remembered(Protocol):
    """Who learns, and takes what was stored of it before."""

    def learned(self, limit: int) -> Sequence[Measurement]:
        """What was learned since it was asked for."""
        ...

    def not_stored(self, measurements: Iterable[Measurement]) -> None:
        """Takes back what could not be stored."""
        ...

    def recall(self, measurements: Iterable[tuple[Measurement, float]]) -> None:
        """Takes what was stored, each with its age in seconds."""
        ...


class Clock(Protocol):
    """Time."""

    def __call__(self) -> float:
        """Seconds that never go back."""
        ...
