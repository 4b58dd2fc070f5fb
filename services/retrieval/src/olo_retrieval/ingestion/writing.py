"""Writes the points of one version into one index."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from olo_retrieval.chunking import Chunk
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ports import Embedder, VectorStore
from olo_retrieval.types import Collection, InputSide, Piece, Point, SparseVector, StoredVersion

EMBED_BATCH = 32

AfterBatch = Callable[[int, int], Awaitable[bool]]
"""Is told how many chunks are written, of how many; says whether to go on."""


class PointWriter:
    """Cuts, embeds and writes."""

    def __init__(self, vectors: VectorStore, embedder: Embedder, texts: Texts, *, sparse: bool = True) -> None:
        self._vectors = vectors
        self._embedder = embedder
        self._texts = texts
        self._sparse = sparse

    async def write(
        self, collection: Collection, stored: StoredVersion, after_batch: AfterBatch, start_at: int = 0
    ) -> int | None:
        """Writes a version into the index of a collection.

        Args:
            collection: Says which index, which model, and how the text is cut.
            stored: The version.
            after_batch: Called before the first batch too.
            start_at: Chunks that an earlier attempt has written.

        Returns:
            The number of chunks; None where `after_batch` has ended it, and no point is left.
        """
        chunks = await asyncio.to_thread(self._texts.cut, collection, stored)
        if start_at == 0:
            # An earlier attempt may have cut the text otherwise and left points that this one does not overwrite.
            await self.remove(collection, stored)
        rest = iter(chunks[start_at:])
        done = min(start_at, len(chunks))
        wanted = await after_batch(done, len(chunks))
        while wanted and (batch := list(islice(rest, EMBED_BATCH))):
            await self._write_batch(collection, stored, batch)
            done += len(batch)
            wanted = await after_batch(done, len(chunks))
        if not wanted:
            await self.remove(collection, stored)
            return None
        return len(chunks)

    async def remove(self, collection: Collection, stored: StoredVersion) -> None:
        """Removes the points of a version from the index."""
        await self._vectors.delete(collection.model, collection.points(stored.document_id, stored.version))

    async def _write_batch(self, collection: Collection, stored: StoredVersion, batch: list[Chunk]) -> None:
        texts = [chunk.embedding_text for chunk in batch]
        dense, sparse = await asyncio.gather(
            self._embedder.embed(collection.model, texts, InputSide.PASSAGE), self._embed_sparse(collection, texts)
        )
        pieces = [Piece.of(stored, chunk) for chunk in batch]
        await self._vectors.upsert(collection.model, collection.points(), list(map(Point, pieces, dense, sparse)))

    async def _embed_sparse(self, collection: Collection, texts: list[str]) -> Sequence[SparseVector | None]:
        if not self._sparse:
            return [None] * len(texts)
        return await self._embedder.embed_sparse(collection.model, texts, InputSide.PASSAGE)
