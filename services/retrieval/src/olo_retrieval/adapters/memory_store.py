"""The vector store that tests use: a dictionary."""

from __future__ import annotations

import math
from collections.abc import Sequence

from olo_retrieval.types import EmbeddingModel, Hit, Piece, Selection, Vector

_Key = tuple[str, str, str, int, int]


class MemoryStore:
    """A VectorStore that forgets everything at once when told to."""

    def __init__(self) -> None:
        self._spaces: dict[EmbeddingModel, dict[_Key, tuple[Piece, Vector]]] = {}

    def forget(self) -> None:
        """Loses every point, as an in-memory store does when its process dies."""
        self._spaces.clear()

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[tuple[Piece, Vector]]) -> None:
        """Writes points into the tenant and collection of the scope."""
        space = self._spaces.setdefault(model, {})
        for piece, vector in points:
            key = (scope.tenant, scope.collection_uid, piece.document_id, piece.version, piece.index)
            space[key] = (piece, list(vector))

    async def search(
        self, model: EmbeddingModel, selection: Selection, vector: Vector, limit: int, min_score: float | None
    ) -> list[Hit]:
        """The nearest points of the selection, best first."""
        space = self._spaces.get(model, {})
        hits = [Hit(piece, _cosine(vector, stored)) for key, (piece, stored) in space.items() if _in(selection, key)]
        good = (hit for hit in hits if min_score is None or hit.score >= min_score)
        return sorted(good, key=lambda hit: -hit.score)[:limit]

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""
        return sum(_in(selection, key) for key in self._spaces.get(model, {}))

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""
        space = self._spaces.get(model, {})
        for key in [key for key in space if _in(selection, key)]:
            del space[key]

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""
        return not self._spaces.get(model)


def _in(selection: Selection, key: _Key) -> bool:
    tenant, collection_uid, document_id, version, _ = key
    return (
        (tenant, collection_uid) == (selection.tenant, selection.collection_uid)
        and selection.document_id in (None, document_id)
        and selection.version in (None, version)
        and (selection.up_to_version is None or version <= selection.up_to_version)
    )


def _cosine(left: Vector, right: Vector) -> float:
    norms = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / norms if norms else 0.0
