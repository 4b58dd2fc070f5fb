"""What enters the catalogue: computed first, stored, then shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from olo_registry.catalogue.alias import Alias
from olo_registry.catalogue.aliases import Aliases
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.catalogue.entry import Entry, PolicyChange
from olo_registry.changes import Changes
from olo_registry.ports import CatalogueStore, Clock
from olo_registry.types import Announcement, HardwareType, ModelType


class Curation:
    """Writes the catalogue and the aliases, one change at a time."""

    def __init__(
        self, catalogue: Catalogue, aliases: Aliases, changes: Changes, *, store: CatalogueStore, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._aliases = aliases
        self._changes = changes
        self._store = store
        self._clock = clock
        self._writing = asyncio.Lock()

    async def update(self, model_id: str, change: PolicyChange) -> None:
        """Sets the operator's policy.

        Raises:
            ModelNotFound: There is no such model.
            InvalidField: A value is out of range.
            Unavailable: It cannot be stored.
        """
        async with self._writing:
            await self._write(self._catalogue.changing(model_id, change, self._clock.now()))

    async def set_alias(self, alias: Alias) -> None:
        """Makes or replaces an alias.

        Raises:
            InvalidField, ModelNotFound, RegistryFull: As `Aliases.check`.
            Unavailable: It cannot be stored.
        """
        async with self._writing:
            self._aliases.check(alias, self._catalogue)
            await self._store.save_alias(alias)
            self._aliases.apply(alias)
            self._changes.mark(aliases=[alias.name])

    async def delete_alias(self, name: str) -> None:
        """Ends an alias.

        Raises:
            AliasNotFound: There is none.
            Unavailable: It cannot be stored.
        """
        async with self._writing:
            self._aliases.get(name)
            await self._store.delete_alias(name)
            self._aliases.drop(name)
            self._changes.mark(aliases=[name])

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nothing else is written meanwhile."""
        async with self._writing:
            yield

    async def admit(self, said: Announcement, types: tuple[ModelType, HardwareType]) -> None:
        """Takes over what an announcement that nobody contradicts says of its model. To be called in `alone`.

        Raises:
            Unavailable: It cannot be stored.
        """
        await self._write(self._catalogue.admitting(said, types, self._clock.now()))

    async def _write(self, entries: list[Entry]) -> None:
        if entries:
            await self._store.save(entries)
            self._catalogue.apply(entries)
            self._changes.mark(entry.model_id for entry in entries)
