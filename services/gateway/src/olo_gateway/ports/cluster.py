"""The fleet, the queues and the logs as operators see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from olo.registry.v1 import registry_service_pb2 as registry


class Fleet(Protocol):
    """The catalogue as operators see it: models with their instances, aliases, what was measured."""

    async def models(self) -> Sequence[registry.Model]:
        """All models, in the order of their ids."""
        ...

    async def model(self, model_id: str) -> registry.Model:
        """One model.

        Raises:
            OloError: `model_not_found`, or the registry is away.
        """
        ...

    async def aliases(self) -> Sequence[registry.Alias]:
        """All aliases, in the order of their names."""
        ...

    async def set_alias(self, alias: registry.Alias) -> None:
        """Makes or replaces an alias."""
        ...

    async def delete_alias(self, alias: str) -> None:
        """Ends an alias."""
        ...

    async def measurements(self) -> Sequence[registry.Measurement]:
        """What routers have measured, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Backlog:
    """The tasks that wait in a queue of Temporal."""

    waiting: int
    """About how many."""
    oldest: float
    """Seconds that the oldest has waited."""
    added: float
    """Tasks per second that came in, of late."""
    dispatched: float
    """Tasks per second that were taken, of late."""
    pollers: int
    """Processes that ask for tasks."""


class Backlogs(Protocol):
    """The task queues."""

    async def of(self, queues: Sequence[str]) -> Mapping[str, Backlog | None]:
        """The backlog of each queue; None where it cannot be told now."""
        ...


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """Which lines of the logs are wanted.

    Attributes:
        service: Of one service; empty: of all.
        level: Of this level and above; empty: of all.
        run_id: Of one run, the calls that it has made to other services included; empty: of all.
        limit: How many at most.
    """

    service: str = ""
    level: str = ""
    run_id: str = ""
    limit: int = 200


class RecentLogs(Protocol):
    """The last lines of all services, as far as they were told."""

    def lines(self, question: LogQuestion) -> Sequence[Mapping[str, str | int | float | bool | None]]:
        """The newest lines that fit, oldest first."""
        ...

    @property
    def services(self) -> Sequence[str]:
        """Whose lines there are."""
        ...

    @property
    def dropped(self) -> int:
        """Lines that were not told, because there were too many at once."""
        ...
