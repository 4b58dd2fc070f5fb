"""What the registry needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from olo_registry.benchmarks.facts import Link, SourceState
from olo_registry.catalogue.alias import Alias
from olo_registry.catalogue.entry import Entry
from olo_registry.measurements.measurement import Measurement


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


class BenchmarkStore(Protocol):
    """Keeps the last good word of each source, and what people have decided, over restarts."""

    async def load_states(self) -> list[SourceState]:
        """Every source that was ever asked."""
        ...

    async def save_state(self, state: SourceState) -> None:
        """Saves what is known of a source, in place of what was.

        Raises:
            Unavailable: The database does not answer.
        """
        ...

    async def load_links(self) -> list[Link]:
        """Every decision."""
        ...

    async def save_link(self, link: Link) -> None:
        """Saves a decision, in place of an earlier one.

        Raises:
            Unavailable: The database does not answer.
        """
        ...


class Publisher(Protocol):
    """One source, as it is reached."""

    async def fetch(self, last: SourceState, wanted: Sequence[str]) -> SourceState | None:
        """Its records as they are now, for the models `wanted` where it has to be asked by model.

        None: nothing is new since `last`.

        Raises:
            Unavailable: It does not answer.
            SourceDrifted: What it gives has another shape than it had.
        """
        ...


class MeasurementStore(Protocol):
    """Keeps what routers have measured."""

    async def save(self, measurements: Sequence[Measurement], now: datetime) -> None:
        """Stores them; of two with one key the newer one stays.

        Raises:
            Unavailable: The database does not answer.
        """
        ...

    async def list(self, limit: int) -> list[Measurement]:
        """At most so many, the newest first.

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
