"""Copies single versions into the index that is not served."""

from __future__ import annotations

from collections.abc import Callable

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.ingestion.writing import PointWriter
from olo_retrieval.migrating.ports import MigrationStore
from olo_retrieval.ports import VectorStore, VersionStore
from olo_retrieval.types import Collection

Beat = Callable[[], None]


class Copier:
    """Writes versions into the other index, from their stored texts, and removes them there."""

    def __init__(
        self, migrations: MigrationStore, versions: VersionStore, vectors: VectorStore, writer: PointWriter
    ) -> None:
        self._migrations = migrations
        self._versions = versions
        self._vectors = vectors
        self._writer = writer

    async def copy(self, other: Collection, document_id: str, version: int, beat: Beat) -> None:
        """Writes a version that is wanted into the other index and notes it there; one that is not leaves nothing.

        Args:
            other: The collection with its other index.
            document_id: The document.
            version: Its version.
            beat: Called after each batch.
        """

        async def after_batch(done: int, total: int) -> bool:
            beat()
            return True

        stored = await self._versions.wanted(other, document_id, version)
        if stored is None:
            return
        chunks = await self._writer.write(other, stored, after_batch)
        if chunks is None or not await self._migrations.note_copy(other, document_id, version, chunks):
            await self._writer.remove(other, stored)

    async def mirror(self, collection: Collection, document_id: str, version: int, beat: Beat) -> None:
        """Writes a version into the second index, where there is one, before it is swapped in.

        What fails here does not fail the ingest: whoever moves the migration finds the version missing and copies it.
        """
        other = await self._migrations.mirror(collection)
        if other is None:
            return
        try:
            await self.copy(other, document_id, version, beat)
        except OloError as error:
            log = logger(__name__).bind(tenant=collection.tenant, collection=collection.name)
            log.warning("document_not_mirrored", document_id=document_id, reason=error.reason)

    async def remove(
        self, collection: Collection, document_id: str, *, version: int | None = None, below: int | None = None
    ) -> None:
        """Removes a version, or all below one, from the second index, where there is one."""
        other = await self._migrations.mirror(collection)
        if other is None:
            return
        await self._migrations.forget_copies(other, document_id, version=version, below=below)
        up_to = below - 1 if below is not None else None
        await self._vectors.delete(other.model, other.points(document_id, version, up_to_version=up_to))
