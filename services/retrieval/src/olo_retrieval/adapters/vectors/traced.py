"""A vector store whose searches are spans."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind

from olo_common.tracing import span
from olo_retrieval.ports import VectorStore
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Point, Selection, SparseVector, Vector


class TracedVectors:
    """Passes everything on.

    Args:
        store: The store.
        system: Its name among databases: `qdrant` or `sqlite`.
    """

    def __init__(self, store: VectorStore, system: str) -> None:
        self._store = store
        self._system = system

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """See `ports.VectorStore`."""
        with span(f"upsert {self._system}", SpanKind.CLIENT, self._attributes("upsert", points=len(points))):
            await self._store.upsert(model, scope, points)

    async def search(
        self,
        model: EmbeddingModel,
        selection: Selection,
        probe: Vector | SparseVector,
        limit: int,
        *,
        with_vectors: bool = False,
    ) -> list[Hit]:
        """See `ports.VectorStore`."""
        with self._searching("sparse" if isinstance(probe, SparseVector) else "dense") as current:
            hits = await self._store.search(model, selection, probe, limit, with_vectors=with_vectors)
            current.set_attribute("db.response.returned_rows", len(hits))
            return hits

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """See `ports.VectorStore`."""
        with self._searching("hybrid") as current:
            hits = await self._store.search_hybrid(model, selection, probe)
            current.set_attribute("db.response.returned_rows", len(hits))
            return hits

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """See `ports.VectorStore`."""
        return await self._store.count(model, selection)

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """See `ports.VectorStore`."""
        return await self._store.read(model, selection)

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """See `ports.VectorStore`."""
        await self._store.delete(model, selection)

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """See `ports.VectorStore`."""
        return await self._store.is_empty(model)

    def _searching(self, kind: str) -> AbstractContextManager[Span]:
        return span(f"search {self._system}", SpanKind.CLIENT, self._attributes("search", vectors=kind))

    def _attributes(self, operation: str, **facts: str | int) -> dict[str, str | int]:
        names = {f"olo.{name}": value for name, value in facts.items()}
        return {"db.system.name": self._system, "db.operation.name": operation, **names}
