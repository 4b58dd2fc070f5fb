"""The ways to find passages that are always there."""

from __future__ import annotations

from typing import Final

from olo_retrieval.ports import Index, Retriever
from olo_retrieval.types import Ranking

DENSE: Final = "dense"
SPARSE: Final = "sparse"
HYBRID: Final = "hybrid"


class Dense:
    """Nearest in meaning."""

    async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
        """Ranks by the cosine of dense vectors."""
        hits = await index.dense(text, limit)
        return Ranking(hits, len(hits) < limit)


class Sparse:
    """Sharing words, the rare ones first."""

    async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
        """Ranks by the product of sparse vectors, which is BM25 where they are made for it."""
        hits = await index.sparse(text, limit)
        return Ranking(hits, len(hits) < limit)


class Hybrid:
    """Both, fused by their ranks."""

    async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
        """Ranks by reciprocal rank fusion."""
        return await index.hybrid(text, limit)


def own_retrievers() -> dict[str, Retriever]:
    """The retrievers of this package by name."""
    return {DENSE: Dense(), SPARSE: Sparse(), HYBRID: Hybrid()}
