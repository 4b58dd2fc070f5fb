"""What an operator does with migrations."""

from __future__ import annotations

from olo_common.errors import OloError, Unavailable
from olo_common.logs import logger
from olo_retrieval.chunking import Chunking
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.migrating.ports import MigrationStarter, MigrationStore
from olo_retrieval.migrating.records import Migration, MigrationState
from olo_retrieval.ports import CollectionStore, Embedder, VectorStore, VersionStore

_RESTARTS = 100


class Migrations:
    """Starts, ends and shows migrations. What is decided is in the row before a workflow hears of it."""

    def __init__(
        self,
        *,
        collections: CollectionStore,
        migrations: MigrationStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
        starter: MigrationStarter,
    ) -> None:
        self._collections = collections
        self._migrations = migrations
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder
        self._starter = starter

    async def start(
        self, tenant: str, name: str, *, model_id: str, chunking: Chunking | None, min_overlap: float
    ) -> Migration:
        """Begins one; returns once it is certain to run.

        Args:
            tenant: Whose collection it is.
            name: The collection.
            model_id: The model to embed with; empty: the collection's.
            chunking: How to cut; None: as it is cut.
            min_overlap: The overlap below which searches keep the old index.

        Raises:
            CollectionNotFound: There is no such collection.
            MigrationOpen: One is open.
            Unavailable: The workflow could not be started; the row says so.
        """
        collection = await self._collections.find(tenant, name)
        model = await self._embedder.choose(model_id or collection.model.model_id)
        opened = await self._migrations.open(collection, model, chunking or collection.chunking, min_overlap)
        try:
            await self._starter.start_migration(opened.ref)
        except Unavailable as error:
            await self._migrations.give_up(opened.ref, error)
            raise
        return await self.get(tenant, name, opened.ref.migration_id)

    async def get(self, tenant: str, name: str, migration_id: str) -> Migration:
        """One migration; the newest where the id is empty. Raises CollectionNotFound, MigrationNotFound."""
        return await self._migrations.get(await self._collections.find(tenant, name), migration_id)

    async def page(self, tenant: str, name: str, before: str, limit: int) -> list[Migration]:
        """At most `limit` older than `before`, newest first. Raises CollectionNotFound."""
        return await self._migrations.page(await self._collections.find(tenant, name), before, limit)

    async def roll_back(self, tenant: str, name: str, migration_id: str) -> Migration:
        """Gives one up; returns once the old index is certain to be served again.

        Raises:
            MigrationNotFound: There is none.
            MigrationStateWrong: It has finished or failed.
            Unavailable: The workflow could not be started; upkeep does it later.
        """
        found = await self.get(tenant, name, migration_id)
        decided = await self._migrations.give_up(found.ref, None)
        if decided.state is MigrationState.ROLLING_BACK:
            await self._starter.start_migration(found.ref)
        await self._remove_points()
        return await self.get(tenant, name, found.ref.migration_id)

    async def finish(self, tenant: str, name: str, migration_id: str) -> Migration:
        """Ends one that serves, and removes the old index. Raises MigrationNotFound, MigrationStateWrong."""
        found = await self.get(tenant, name, migration_id)
        await self._migrations.finish(found.ref)
        await self._remove_points()
        return await self.get(tenant, name, found.ref.migration_id)

    async def restart_moving(self) -> None:
        """Starts the workflow of each migration that has work left; one that runs is left alone."""
        for ref in await self._migrations.all_moving(_RESTARTS):
            await self._starter.start_migration(ref)

    async def _remove_points(self) -> None:
        try:
            await remove_points(self._versions, self._vectors)
        except OloError as error:
            # The removals stay noted, and upkeep tries again.
            logger(__name__).warning("points_not_removed_yet", reason=error.reason)
