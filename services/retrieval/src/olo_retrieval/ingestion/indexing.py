"""The steps of an ingest. Each may be repeated; none shows a searcher half a version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice

from olo_common.errors import OloError
from olo_retrieval.chunking import Chunk
from olo_retrieval.errors import CollectionNotFound, IndexIncomplete
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ports import CollectionStore, Embedder, VectorStore, VersionStore
from olo_retrieval.types import (
    Collection,
    InputSide,
    Piece,
    Point,
    Selection,
    SparseVector,
    StoredVersion,
    VersionRef,
)

EMBED_BATCH = 32
_NO_REASON = "indexing did not finish in time"

Progress = Callable[[int], None]


class Indexer:
    """Index, swap, remove what is stale."""

    def __init__(
        self,
        collections: CollectionStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
        texts: Texts,
        *,
        sparse: bool = True,
    ) -> None:
        self._collections = collections
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder
        self._texts = texts
        self._sparse = sparse

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
            return await self.write(collection, ref.document_id, ref.version, progress, start_at)
        except OloError as error:
            await self._versions.note_error(collection, ref.document_id, ref.version, error)
            raise

    async def write(
        self, collection: Collection, document_id: str, version: int, progress: Progress, start_at: int = 0
    ) -> int:
        """Chunks, embeds and writes one version; gives the number of chunks."""
        stored = await self._versions.wanted(collection, document_id, version)
        if stored is None:
            return 0
        chunks = await asyncio.to_thread(self._texts.cut, collection, stored)
        if start_at == 0:
            # An earlier attempt may have cut the text otherwise and left points that this one does not overwrite.
            await self._vectors.delete(collection.model, _selection(collection, document_id, version))
        rest = iter(chunks[start_at:])
        done = min(start_at, len(chunks))
        await self._versions.note_progress(collection, document_id, version, done, len(chunks))
        while batch := list(islice(rest, EMBED_BATCH)):
            await self._write_batch(collection, stored, batch)
            done += len(batch)
            progress(done)
            if done < len(chunks):
                await self._versions.note_progress(collection, document_id, version, done, len(chunks))
            if await self._versions.wanted(collection, document_id, version) is None:
                await self._vectors.delete(collection.model, _selection(collection, document_id, version))
                return 0
        await self._versions.mark_indexed(collection, document_id, version, len(chunks))
        return len(chunks)

    async def swap(self, ref: VersionRef) -> None:
        """Makes an indexed version the one that searches see; a version that is not wanted is left.

        Raises:
            IndexIncomplete: The vector store has lost points since they were written.
        """
        collection = await self._find(ref)
        stored = await self._versions.wanted(collection, ref.document_id, ref.version) if collection else None
        if collection is None or stored is None:
            return
        found = await self._vectors.count(collection.model, _selection(collection, ref.document_id, ref.version))
        if found != stored.chunk_count:
            raise IndexIncomplete
        await self._versions.swap(collection, ref.document_id, ref.version)

    async def remove_stale(self, ref: VersionRef) -> None:
        """Removes the points that the version has replaced, or its own where another has replaced it."""
        collection = await self._find(ref)
        if collection is None:
            return
        served = await self._versions.served_versions(collection, [ref.document_id])
        if (current := served.get(ref.document_id)) is not None:
            scope = Selection(collection.tenant, collection.uid, ref.document_id, up_to_version=current - 1)
            await self._vectors.delete(collection.model, scope)
        if await self._versions.wanted(collection, ref.document_id, ref.version) is None:
            await self._vectors.delete(collection.model, _selection(collection, ref.document_id, ref.version))
        await self._versions.prune(collection, ref.document_id)

    async def fail(self, ref: VersionRef) -> None:
        """Says that indexing has failed and removes what was written; an earlier version stays served."""
        collection = await self._find(ref)
        if collection is None:
            return
        await self._versions.mark_failed(collection, ref.document_id, ref.version, _NO_REASON)
        served = await self._versions.served_versions(collection, [ref.document_id])
        if served.get(ref.document_id) != ref.version:
            await self._vectors.delete(collection.model, _selection(collection, ref.document_id, ref.version))

    async def _find(self, ref: VersionRef) -> Collection | None:
        try:
            return await self._collections.get(ref.tenant, ref.collection)
        except CollectionNotFound:
            return None

    async def _write_batch(self, collection: Collection, stored: StoredVersion, batch: list[Chunk]) -> None:
        texts = [chunk.embedding_text for chunk in batch]
        dense, sparse = await asyncio.gather(
            self._embedder.embed(collection.model, texts, InputSide.PASSAGE), self._embed_sparse(collection, texts)
        )
        pieces = [_piece(stored, chunk) for chunk in batch]
        scope = Selection(collection.tenant, collection.uid)
        await self._vectors.upsert(collection.model, scope, list(map(Point, pieces, dense, sparse)))

    async def _embed_sparse(self, collection: Collection, texts: list[str]) -> Sequence[SparseVector | None]:
        if not self._sparse:
            return [None] * len(texts)
        return await self._embedder.embed_sparse(collection.model, texts, InputSide.PASSAGE)


def _selection(collection: Collection, document_id: str, version: int) -> Selection:
    return Selection(collection.tenant, collection.uid, document_id, version)


def _piece(stored: StoredVersion, chunk: Chunk) -> Piece:
    return Piece(
        document_id=stored.document_id,
        version=stored.version,
        index=chunk.index,
        start=chunk.start,
        end=chunk.end,
        title=stored.title,
        source=stored.source,
        text=chunk.text,
        metadata=stored.metadata,
        page=chunk.page,
        headings=tuple(chunk.headings),
        parent=stored.content[slice(*chunk.parent)] if chunk.parent else "",
    )
