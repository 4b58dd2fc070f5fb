"""Moves a migration on: copies what is missing, verifies, switches. Each step may be repeated, by any process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from olo_common.errors import OloError
from olo_retrieval.errors import DocumentNotCopied, OverlapTooLow
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.migrating.comparison import Samples
from olo_retrieval.migrating.copying import Beat, Copier
from olo_retrieval.migrating.ports import MigrationStore
from olo_retrieval.migrating.records import BUILDING, Migration, MigrationRef, MigrationState
from olo_retrieval.ports import CollectionStore, VectorStore, VersionStore

_PAGE: Final = 100
_AT_ONCE: Final = 4
_SAMPLES: Final = 20
_PAUSE_SECONDS: Final = 0.2
"""Before another round, which documents that change meanwhile make necessary."""


class Migrator:
    """Takes migrations as far as they go without their operator.

    Args:
        collections: To see where a migration has come to rest.
        migrations: How far each has come.
        versions: The versions.
        vectors: Both indexes.
        copier: Copies single versions.
        samples: Compares both indexes.
    """

    def __init__(
        self,
        *,
        collections: CollectionStore,
        migrations: MigrationStore,
        versions: VersionStore,
        vectors: VectorStore,
        copier: Copier,
        samples: Samples,
    ) -> None:
        self._collections = collections
        self._migrations = migrations
        self._versions = versions
        self._vectors = vectors
        self._copier = copier
        self._samples = samples

    async def move(self, ref: MigrationRef, beat: Beat) -> MigrationState | None:
        """Builds the other index and switches to it, in as many rounds as documents that change meanwhile make it.

        Args:
            ref: The migration.
            beat: Called again and again while there is progress.

        Returns:
            The state in which it rests; None where the collection is gone.

        Raises:
            OloError: A part is away. What cannot be mended by waiting ends the migration instead.
        """
        try:
            await self._move(ref, beat)
        except OloError as error:
            if error.retryable:
                raise
            return await self.fail(ref, error)
        await remove_points(self._versions, self._vectors)
        return await self._rest(ref)

    async def _move(self, ref: MigrationRef, beat: Beat) -> None:
        while (migration := await self._migrations.moving(ref)) is not None:
            if not await self._copy(migration, beat):
                continue
            await self._migrations.verifying(ref)
            whole = await self._verify(migration, beat)
            if whole and migration.state in BUILDING:
                await self._compare(migration)
            if whole and await self._migrations.switch(ref):
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def fail(self, ref: MigrationRef, error: OloError) -> MigrationState | None:
        """Ends a migration that cannot go on."""
        if await self._migrations.moving(ref) is not None:
            await self._migrations.give_up(ref, error)
        await remove_points(self._versions, self._vectors)
        return await self._rest(ref)

    async def _rest(self, ref: MigrationRef) -> MigrationState | None:
        try:
            collection = await self._collections.find(ref.tenant, ref.collection)
            return (await self._migrations.get(collection, ref.migration_id)).state
        except OloError as error:
            if error.retryable:
                raise
            return None

    async def _copy(self, migration: Migration, beat: Beat) -> bool:
        """Copies every served version that is missing; false where the migration has ended meanwhile."""
        after = ""
        while page := await self._migrations.missing(migration, after, _PAGE):
            for start in range(0, len(page), _AT_ONCE):
                if await self._migrations.moving(migration.ref) is None:
                    return False
                group = page[start : start + _AT_ONCE]
                outcomes = await asyncio.gather(
                    *(self._copy_one(migration, document_id, version, beat) for document_id, version in group),
                    return_exceptions=True,
                )
                for outcome in outcomes:
                    if outcome is not None:
                        raise outcome
            after = page[-1][0]
        return True

    async def _copy_one(self, migration: Migration, document_id: str, version: int, beat: Beat) -> None:
        try:
            await self._copier.copy(migration.other, document_id, version, beat)
        except OloError as error:
            if error.retryable:
                raise
            raise DocumentNotCopied(document_id, error.message) from error

    async def _verify(self, migration: Migration, beat: Beat) -> bool:
        """Counts the points of each copy; one that is not whole is forgotten, so that it is copied again."""
        other, whole = migration.other, True
        async for document_id, version, chunks in self._copies(migration):
            if await self._vectors.count(other.model, other.points(document_id, version)) != chunks:
                await self._migrations.forget_copies(other, document_id, version=version)
                whole = False
            beat()
        return whole

    async def _compare(self, migration: Migration) -> None:
        """Keeps the overlap of sampled searches. Without a wish for one, models that are away do not stop it."""
        copies = [(document_id, version) async for document_id, version, _ in self._copies(migration)]
        sampled = copies[:: max(1, len(copies) // _SAMPLES)][:_SAMPLES]
        try:
            found = await self._samples.compare(migration.collection, migration.other, sampled)
        except OloError:
            if migration.min_overlap:
                raise
            return
        if found is None:
            return
        await self._migrations.note_comparison(migration.ref, found)
        if found.overlap < migration.min_overlap:
            raise OverlapTooLow(found.overlap, migration.min_overlap)

    async def _copies(self, migration: Migration) -> AsyncIterator[tuple[str, int, int]]:
        after = ""
        while page := await self._migrations.copies(migration, after, _PAGE):
            for item in page:
                yield item
            after = page[-1][0]
