"""One collection, as a retriever may search it."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Sequence

import numpy as np

from olo_retrieval.errors import SparseUnavailable
from olo_retrieval.filters import Filter
from olo_retrieval.ports import Embedder, VectorStore
from olo_retrieval.types import Collection, Hit, InputSide, SparseVector, Vector


class CollectionIndex:
    """An Index. Each text is embedded once.

    Args:
        vectors: The points.
        embedder: Embeds texts.
        collection: The only one that is searched.
        condition: What the metadata must be like.
        sparse: Whether there are sparse vectors.
        with_vectors: Whether every hit shall have its vector.
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
    ) -> None:
        self._vectors = vectors
        self._embedder = embedder
        self._model = collection.model
        self._selection = collection.points(filter=condition)
        self._has_sparse = sparse
        self._with_vectors = with_vectors
        self._dense: dict[str, asyncio.Future[list[list[float]]]] = {}
        self._sparse: dict[str, asyncio.Future[list[SparseVector]]] = {}

    async def dense(self, text: str, limit: int) -> list[Hit]:
        """The nearest in meaning, best first."""
        probe = await self._embedded(text)
        found = await self._vectors.search(self._model, self._selection, probe, limit, with_vectors=self._with_vectors)
        return [hit.compared(hit.score) for hit in found]

    async def sparse(self, text: str, limit: int) -> list[Hit]:
        """Those that share words, best first."""
        if not self._has_sparse:
            raise SparseUnavailable
        dense, sparse = await asyncio.gather(self._embedded(text), self._embedded_sparse(text))
        if not sparse.indices:
            return []
        found = await self._vectors.search(self._model, self._selection, sparse, limit, with_vectors=True)
        return _compared(found, dense)

    async def _embedded(self, text: str) -> Vector:
        if text not in self._dense:
            self._dense[text] = asyncio.ensure_future(self._embedder.embed(self._model, [text], InputSide.QUERY))
        return (await asyncio.shield(self._dense[text]))[0]

    async def _embedded_sparse(self, text: str) -> SparseVector:
        if text not in self._sparse:
            call: Awaitable[list[SparseVector]] = self._embedder.embed_sparse(self._model, [text], InputSide.QUERY)
            self._sparse[text] = asyncio.ensure_future(call)
        return (await asyncio.shield(self._sparse[text]))[0]


def _compared(hits: Sequence[Hit], probe: Vector) -> list[Hit]:
    """The hits with their cosines to the probe."""
    if not hits:
        return []
    unit = np.asarray(probe, np.float32)
    # Lists of floats become an array several times faster by way of the buffers of `array` than by numpy itself.
    rows = np.frombuffer(b"".join(array("f", hit.vector or ()).tobytes() for hit in hits), np.float32)
    cosines = rows.reshape(len(hits), -1) @ unit / (np.linalg.norm(unit) or 1.0)
    return [hit.compared(cosine) for hit, cosine in zip(hits, cosines.tolist(), strict=True)]
