"""The vector store that tests use: a dictionary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from olo_retrieval.adapters.vectors.points import IndexOptions, by_number, fused_hits
from olo_retrieval.adapters.vectors.scope import condition_of, corpus_of
from olo_retrieval.filters import METADATA, holds
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Piece, Point, Selection, SparseVector, Vector

_Key = tuple[str, str, str, int, int]


class FakeStore:
    """A VectorStore that forgets everything at once when told to."""

    def __init__(self, options: IndexOptions | None = None) -> None:
        self._options = options or IndexOptions()
        self._spaces: dict[EmbeddingModel, dict[_Key, Point]] = {}

    def forget(self) -> None:
        """Loses every point, as an in-memory store does when its process dies."""
        self._spaces.clear()

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """Writes points into the tenant and collection of the scope."""
        space = self._spaces.setdefault(model, {})
        for point in points:
            piece = point.piece
            space[(scope.tenant, scope.collection_uid, piece.document_id, piece.version, piece.index)] = point

    async def search(
        self,
        model: EmbeddingModel,
        selection: Selection,
        probe: Vector | SparseVector,
        limit: int,
        *,
        with_vectors: bool = False,
    ) -> list[Hit]:
        """The points of the selection that are nearest to the probe, best first."""
        points = self._selected(model, selection)
        if isinstance(probe, SparseVector):
            weights = self._weights(model, corpus_of(selection), probe)
            hits = [Hit(point.piece, _product(weights, point.sparse)) for point in points if _shares(probe, point)]
        else:
            hits = [Hit(point.piece, cosine(probe, point.dense)) for point in points]
        if with_vectors:
            dense = {id(point.piece): point.dense for point in points}
            hits = [replace(hit, vector=dense[id(hit.piece)]) for hit in hits]
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """Both searches in one visit, fused by ranks."""
        near = await self.search(model, selection, probe.dense, probe.limit, with_vectors=probe.with_vectors)
        sharing = await self.search(model, selection, probe.sparse, probe.limit, with_vectors=True)
        return fused_hits(near, sharing, probe)

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""
        return len(self._selected(model, selection))

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """The points of the selection with both of their vectors, by number."""
        return by_number(self._selected(model, selection))

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""
        space = self._spaces.get(model, {})
        for key in [key for key, point in space.items() if _in(selection, key, point.piece)]:
            del space[key]

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""
        return not self._spaces.get(model)

    def _selected(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        return [point for key, point in self._spaces.get(model, {}).items() if _in(selection, key, point.piece)]

    def _weights(self, model: EmbeddingModel, corpus: Selection, probe: SparseVector) -> dict[int, float]:
        weights = dict(zip(probe.indices, probe.values, strict=True))
        if not self._options.idf:
            return weights
        points = self._selected(model, corpus)
        having = Counter(term for point in points if point.sparse for term in point.sparse.indices)
        return {
            term: weight * math.log((len(points) - having[term] + 0.5) / (having[term] + 0.5) + 1)
            for term, weight in weights.items()
        }


def cosine(left: Vector, right: Vector) -> float:
    """The cosine of the angle between two vectors; 0 where one has no length."""
    norms = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / norms if norms else 0.0


def _in(selection: Selection, key: _Key, piece: Piece) -> bool:
    tenant, collection, document_id, version, index = key
    fields: dict[str, str | int] = {METADATA + name: value for name, value in piece.metadata.items()}
    fields |= {"tenant": tenant, "collection": collection, "document_id": document_id, "version": version}
    fields["index"] = index
    return holds(condition_of(selection), fields)


def _shares(probe: SparseVector, point: Point) -> bool:
    return point.sparse is not None and not set(probe.indices).isdisjoint(point.sparse.indices)


def _product(weights: dict[int, float], sparse: SparseVector | None) -> float:
    assert sparse is not None
    return sum(weights.get(term, 0.0) * value for term, value in zip(sparse.indices, sparse.values, strict=True))
