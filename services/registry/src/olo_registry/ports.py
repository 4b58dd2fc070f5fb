"""What the registry needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from olo_registry.catalogue.alias import Alias
from olo_registry.catalogue.entry import Entry


class CatalogueStore(Protocol):
    """Keeps the catalogue over restarts."""

    async def load(self) -> list[Entry]:
        """Everything that was saved."""
        ...

    async def save(self, entries: Sequence[Entry]) -> None:
        """Saves these entries, all or none.

        Raises:
            Unavailable: The database does not answer.
        """
        ...

    async def load_aliases(self) -> list[Alias]:
        """Every alias that was saved."""
        ...

    async def save_alias(self, alias: Alias) -> None:
        """Saves an alias with its targets, in place of what it was.

        Raises:
            Unavailable: The database does not answer.
        """
        ...

    async def delete_alias(self, name: str) -> None:
        """Deletes an alias.

        Raises:
            Unavailable: The database does not answer.
        """
        ...


class Announcer(Protocol):
    """Speaks to the workers and to whoever watches models."""

    async def request_announcements(self) -> None:
        """Asks every instance to announce itself."""
        ...

    async def request_drain(self, instance_id: str, model_id: str) -> None:
        """Asks one instance to finish its work and take nothing new."""
        ...

    async def model_changed(self, model_id: str, version: int, registry_epoch: str) -> None:
        """Says that the registry's view of a model has changed."""
        ...


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...
