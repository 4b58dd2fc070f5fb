"""What the router needs of the world: whoever feeds it, and time."""

from __future__ import annotations

from typing import Protocol

from olo_router.types import CatalogueUpdate, Departure, Heartbeat


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

    def finished(self, instance_id: str) -> None:
        """A request has ended at an instance."""
        ...

    def left(self, departure: Departure) -> None:
        """An instance has ended."""
        ...


class Clock(Protocol):
    """Time."""

    def __call__(self) -> float:
        """Seconds that never go back."""
        ...
