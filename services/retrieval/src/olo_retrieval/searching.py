"""Finds passages. Only served versions are shown: a search sees the old version of a document or the new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from olo_common.errors import Unavailable
from olo_retrieval.ports import CollectionStore, Embedder, VectorStore, VersionStore
from olo_retrieval.types import Collection, Hit, InputSide, Selection, Vector

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. `top_k` is at least 1."""

    tenant: str
    collection: str
    text: str
    top_k: int
    min_score: float | None = None


class Searcher:
    """Searches one collection at a time.

    Args:
        collections: Where collections are looked up.
        versions: Knows what is served.
        vectors: Holds the points.
        embedder: Embeds the query.
        complete: Whether the points of a collection (by uid) are all there.
    """

    def __init__(
        self,
        collections: CollectionStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
        complete: Callable[[str], bool],
    ) -> None:
        self._collections = collections
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder
        self._complete = complete

    async def search(self, query: Query) -> tuple[list[Hit], str]:
        """The nearest passages, best first, and the id of the model that embedded the query.

        Raises:
            CollectionNotFound: There is no such collection.
            Unavailable: No embedding model answers, or the index is being rebuilt.
        """
        collection = await self._collections.get(query.tenant, query.collection)
        if not self._complete(collection.uid):
            raise Unavailable("the index of this collection is being rebuilt", retry_after=1.0)
        [vector] = await self._embedder.embed(collection.model, [query.text], InputSide.QUERY)
        return await self._served_hits(collection, query, vector), collection.model.model_id

    async def _served_hits(self, collection: Collection, query: Query, vector: Vector) -> list[Hit]:
        scope = Selection(collection.tenant, collection.uid)
        limit = 2 * query.top_k + 8
        known: dict[str, int] = {}
        kept: list[Hit] = []
        for _ in range(_ROUNDS):
            hits = await self._vectors.search(collection.model, scope, vector, limit, query.min_score)
            served = await self._versions.served_versions(collection, {hit.piece.document_id for hit in hits})
            kept = [hit for hit in hits if served.get(hit.piece.document_id) == hit.piece.version]
            # A version that was swapped in after the points were read may be missing among them: read them again.
            replaced = any(
                hit.piece.version < (now := served.get(hit.piece.document_id, 0))
                and known.get(hit.piece.document_id) != now
                for hit in hits
            )
            known |= served
            if not replaced:
                if len(kept) >= query.top_k or len(hits) < limit:
                    break
                limit *= 4
        return kept[: query.top_k]
