"""The router: feeds in, decisions out, one clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from olo_router.fleet.fleet import Fleet
from olo_router.ports import Clock
from olo_router.selection.request import Request, Selection
from olo_router.types import CatalogueUpdate, Departure, Heartbeat


class Routing:
    """Gives the fleet its time.

    Args:
        fleet: What is known.
        clock: Monotonic seconds.
        on_snapshot: Called with each word of the registry.
    """

    def __init__(self, fleet: Fleet, clock: Clock, on_snapshot: Callable[[], Awaitable[None]]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._on_snapshot = on_snapshot

    @property
    def lease_seconds(self) -> float:
        """How long a silent instance is chosen."""
        return self._fleet.lease_seconds

    def select(self, request: Request) -> tuple[Selection, int, float]:
        """The decision, the version of what it was made on, and its age in seconds.

        Raises:
            OloError: As `Fleet.select`.
        """
        now = self._clock()
        return self._fleet.select(request, now), self._fleet.version, self._fleet.age(now)

    async def updated(self, update: CatalogueUpdate) -> None:
        """The registry has said something."""
        self._fleet.update(update, self._clock())
        await self._on_snapshot()

    def registry_lost(self) -> None:
        """The registry is away."""
        self._fleet.registry_lost(self._clock())

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """An instance is alive."""
        self._fleet.beat(heartbeat, self._clock())

    def left(self, departure: Departure) -> None:
        """An instance has ended."""
        self._fleet.leave(departure)

    def finished(self, instance_id: str) -> None:
        """A request has ended at an instance."""
        self._fleet.finish(instance_id)

    def sweep(self, *, connected: bool) -> None:
        """Ends the leases that have run out."""
        self._fleet.sweep(self._clock(), connected=connected)
