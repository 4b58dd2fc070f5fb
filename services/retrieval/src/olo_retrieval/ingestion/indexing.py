"""The steps of an ingest. Each may be repeated; none shows a searcher half a version."""

from __future__ import annotations

from collections.abc import Callable

from olo_common.errors import OloError
from olo_retrieval.errors import CollectionNotFound, IndexIncomplete
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ingestion.writing import PointWriter
from olo_retrieval.migrating.copying import Copier
from olo_retrieval.ports import CollectionStore, VectorStore, VersionStore
from olo_retrieval.types import Collection, VersionRef

_NO_REASON = "indexing did not finish in time"

Progress = Callable[[int], None]


class Indexer:
    """Index, swap, remove what is stale. Where a migration has built a second index, each step is done in both."""

    def __init__(
        self,
        *,
        collections: CollectionStore,
        versions: VersionStore,
        vectors: VectorStore,
        texts: Texts,
        writer: PointWriter,
        copier: Copier,
    ) -> None:
        self._collections = collections
        self._versions = versions
        self._vectors = vectors
        self._texts = texts
        self._writer = writer
        self._copier = copier

    async def index(self, ref: VersionRef, progress: Progress, start_at: int = 0) -> int:
        """Writes the points of a version that nobody sees yet.

        Args:
            ref: The version.
            progress: Is told the number of chunks written so far, after each batch.
            start_at: Chunks that an earlier attempt has written.

        Returns:
            The number of chunks; 0 where the version is not wanted any more.
        """
        collection = await self._find(ref)
        if collection is None:
            return 0
        try:
            await self._texts.read_file(collection, ref)
            count = await self.write(collection, ref.document_id, ref.version, progress, start_at)
        except OloError as error:
            await self._versions.note_error(collection, ref.document_id, ref.version, error)
            raise
        if count:
            await self._copier.mirror(collection, ref.document_id, ref.version, lambda: progress(count))
        return count

    async def write(
        self, collection: Collection, document_id: str, version: int, progress: Progress, start_at: int = 0
    ) -> int:
        """Chunks, embeds and writes one version into the served index; gives the number of chunks."""

        async def after_batch(done: int, total: int) -> bool:
            if done > start_at:
                progress(done)
            if done < total or done <= start_at:
                await self._versions.note_progress(collection, document_id, version, done, total)
            return done <= start_at or await self._versions.wanted(collection, document_id, version) is not None

        stored = await self._versions.wanted(collection, document_id, version)
        if stored is None:
            return 0
        count = await self._writer.write(collection, stored, after_batch, start_at)
        if count is None:
            return 0
        await self._versions.mark_indexed(collection, document_id, version, count)
        return count

    async def swap(self, ref: VersionRef) -> None:
        """Makes an indexed version the one that searches see; a version that is not wanted is left.

        Raises:
            IndexIncomplete: The vector store has lost points since they were written, or another index is served.
        """
        collection = await self._find(ref)
        stored = await self._versions.wanted(collection, ref.document_id, ref.version) if collection else None
        if collection is None or stored is None:
            return
        found = await self._vectors.count(collection.model, collection.points(ref.document_id, ref.version))
        if found != stored.chunk_count:
            raise IndexIncomplete
        await self._versions.swap(collection, ref.document_id, ref.version)

    async def remove_stale(self, ref: VersionRef) -> None:
        """Removes the points that the version has replaced, or its own where another has replaced it."""
        collection = await self._find(ref)
        while collection is not None:
            await self._remove_replaced(collection, ref)
            former, collection = collection, await self._find(ref)
            if collection is not None and collection.revision == former.revision:
                # Where another index was served meanwhile, the one that is served now may have been passed over.
                return

    async def _remove_replaced(self, collection: Collection, ref: VersionRef) -> None:
        served = await self._versions.served_versions(collection, [ref.document_id])
        if (current := served.get(ref.document_id)) is not None:
            scope = collection.points(ref.document_id, up_to_version=current - 1)
            await self._vectors.delete(collection.model, scope)
            await self._copier.remove(collection, ref.document_id, below=current)
        if await self._versions.wanted(collection, ref.document_id, ref.version) is None:
            await self._remove(collection, ref)
        await self._versions.prune(collection, ref.document_id)

    async def fail(self, ref: VersionRef) -> None:
        """Says that indexing has failed and removes what was written; an earlier version stays served."""
        collection = await self._find(ref)
        if collection is None:
            return
        await self._versions.mark_failed(collection, ref.document_id, ref.version, _NO_REASON)
        served = await self._versions.served_versions(collection, [ref.document_id])
        if served.get(ref.document_id) != ref.version:
            await self._remove(collection, ref)

    async def _remove(self, collection: Collection, ref: VersionRef) -> None:
        await self._vectors.delete(collection.model, collection.points(ref.document_id, ref.version))
        await self._copier.remove(collection, ref.document_id, version=ref.version)

    async def _find(self, ref: VersionRef) -> Collection | None:
        try:
            return await self._collections.find(ref.tenant, ref.collection)
        except CollectionNotFound:
            return None
