"""One collection, as a retriever may search it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from olo_retrieval.errors import SparseUnavailable
from olo_retrieval.filters import Filter
from olo_retrieval.ports import Embedder, VectorStore
from olo_retrieval.searching.likeness import compared
from olo_retrieval.types import Collection, Hit, HybridProbe, InputSide, Ranking, SparseVector, Vector

_SPARE: Final = 4


class CollectionIndex:
    """An Index. Each text is embedded once.

    Args:
        vectors: The points.
        embedder: Embeds texts.
        collection: The only one that is searched.
        condition: What the metadata must be like.
        sparse: Whether there are sparse vectors.
        with_vectors: Whether every hit shall have its vector.
        whole: Whether a hybrid search gives all that either search has found, in place of the best.
    """

    def __init__(
        self,
        vectors: VectorStore,
        embedder: Embedder,
        collection: Collection,
        condition: Filter | None,
        *,
        sparse: bool,
        with_vectors: bool,
        whole: bool = False,
    ) -> None:
        self._vectors = vectors
        self._embedder = embedder
        self._model = collection.model
        self._selection = collection.points(filter=condition)
        self._has_sparse = sparse
        self._with_vectors = with_vectors
        self._whole = whole
        self._dense: dict[str, asyncio.Future[list[list[float]]]] = {}
        self._sparse: dict[str, asyncio.Future[list[SparseVector]]] = {}

    async def dense(self, text: str, limit: int) -> list[Hit]:
        """The nearest in meaning, best first."""
        [probe] = await self._embedding(text)
        found = await self._vectors.search(self._model, self._selection, probe, limit, with_vectors=self._with_vectors)
        return [hit.compared(hit.score) for hit in found]

    async def sparse(self, text: str, limit: int) -> list[Hit]:
        """Those that share words, best first."""
        dense, sparse = await self._embedded_twice(text)
        if not sparse.indices:
            return []
        found = await self._vectors.search(self._model, self._selection, sparse, limit, with_vectors=True)
        return compared(found, dense)

    async def hybrid(self, text: str, limit: int) -> Ranking:
        """Both, fused by their ranks: the best of them, and whether they are all."""
        dense, sparse = await self._embedded_twice(text)
        # To rank takes less than to read what was ranked: the half is read, and some for versions that are not served.
        most = 2 * limit if self._whole else limit // 2 + _SPARE
        probe = HybridProbe(dense, sparse, limit, most, self._with_vectors)
        hits = await self._vectors.search_hybrid(self._model, self._selection, probe)
        return Ranking(hits, len(hits) < min(limit, most))

    async def _embedded_twice(self, text: str) -> tuple[Vector, SparseVector]:
        if not self._has_sparse:
            raise SparseUnavailable
        dense, sparse = await asyncio.gather(self._embedding(text), self._sparse_embedding(text))
        return dense[0], sparse[0]

    def _embedding(self, text: str) -> asyncio.Future[list[list[float]]]:
        if text not in self._dense:
            self._dense[text] = asyncio.ensure_future(self._embedder.embed(self._model, [text], InputSide.QUERY))
        return asyncio.shield(self._dense[text])

    def _sparse_embedding(self, text: str) -> asyncio.Future[list[SparseVector]]:
        if text not in self._sparse:
            call: Awaitable[list[SparseVector]] = self._embedder.embed_sparse(self._model, [text], InputSide.QUERY)
            self._sparse[text] = asyncio.ensure_future(call)
        return asyncio.shield(self._sparse[text])
