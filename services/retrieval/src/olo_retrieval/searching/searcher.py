"""Finds passages. Only served versions are shown: a search sees the old version of a document or the new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from olo_common.errors import InvalidField, Unavailable
from olo_retrieval.filters import Filter
from olo_retrieval.ports import CollectionStore, Embedder, Index, Retriever, VectorStore, VersionStore
from olo_retrieval.searching.diversity import diversified
from olo_retrieval.searching.index import CollectionIndex
from olo_retrieval.types import Collection, EmbeddingModel, Hit

_ROUNDS = 8
_POOL = 4
"""Passages looked at, for each that is wanted, where the best are chosen anew."""
_SMALLEST_POOL = 20


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. `top_k` is at least 1; an empty `retriever` takes the default one."""

    tenant: str
    collection: str
    text: str
    top_k: int
    min_score: float | None = None
    retriever: str = ""
    filter: Filter | None = None
    mmr_lambda: float | None = None
    rerank: bool = False

    @property
    def candidates(self) -> int:
        """The passages among which the answer is chosen."""
        chooses = self.rerank or self.mmr_lambda is not None
        return max(_POOL * self.top_k, _SMALLEST_POOL) if chooses else self.top_k


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query, best first, and who has found it."""

    hits: list[Hit]
    model: EmbeddingModel
    retriever: str


class Searcher:
    """Searches one collection at a time.

    Args:
        collections: Where collections are looked up.
        versions: Knows what is served.
        vectors: Holds the points.
        embedder: Embeds the query, and reranks.
        complete: Whether the points of a collection (by uid) are all there.
        retrievers: The ways to search, by name.
        default: The name of the one that is taken where a query names none.
        sparse: Whether points have sparse vectors.
    """

    def __init__(
        self,
        collections: CollectionStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
        complete: Callable[[str], bool],
        *,
        retrievers: Mapping[str, Retriever],
        default: str,
        sparse: bool = True,
    ) -> None:
        self._collections = collections
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder
        self._complete = complete
        self._retrievers = retrievers
        self._default = default
        self._sparse = sparse

    async def search(self, query: Query) -> Found:
        """The best passages.

        Raises:
            CollectionNotFound: There is no such collection.
            InvalidField: There is no such retriever.
            SparseUnavailable: The retriever needs sparse vectors, and there are none.
            Unavailable: No embedding model answers, or the index is being rebuilt.
        """
        name = query.retriever or self._default
        if name not in self._retrievers:
            raise InvalidField("retriever", f"is none of {', '.join(sorted(self._retrievers))}")
        collection = await self._collections.find(query.tenant, query.collection)
        if not self._complete(collection.uid):
            raise Unavailable("the index of this collection is being rebuilt", retry_after=1.0)
        index = CollectionIndex(
            self._vectors,
            self._embedder,
            collection,
            query.filter,
            sparse=self._sparse,
            with_vectors=query.mmr_lambda is not None,
        )
        hits = await self._served_hits(collection, query, index, self._retrievers[name])
        return Found(await self._chosen(collection, query, hits), collection.model, name)

    async def _served_hits(self, collection: Collection, query: Query, index: Index, retriever: Retriever) -> list[Hit]:
        limit = 2 * query.candidates + 8
        known: dict[str, int] = {}
        kept: list[Hit] = []
        for _ in range(_ROUNDS):
            ranking = await retriever.retrieve(index, query.text, limit)
            documents = {hit.piece.document_id for hit in ranking.hits}
            served = await self._versions.served_versions(collection, documents)
            kept = [
                hit
                for hit in ranking.hits
                if served.get(hit.piece.document_id) == hit.piece.version
                and (query.min_score is None or hit.similarity >= query.min_score)
            ]
            # A version that was swapped in after the points were read may be missing among them: read them again.
            replaced = any(
                hit.piece.version < (now := served.get(hit.piece.document_id, 0))
                and known.get(hit.piece.document_id) != now
                for hit in ranking.hits
            )
            known |= served
            if not replaced:
                if len(kept) >= query.candidates or ranking.complete:
                    break
                if query.min_score is not None and _alike(ranking.hits, query.min_score) < limit:
                    # What the nearest `limit` do not reach, those beyond them do not either.
                    break
                limit *= 4
        return kept[: query.candidates]

    async def _chosen(self, collection: Collection, query: Query, hits: list[Hit]) -> list[Hit]:
        if query.rerank and hits:
            texts = [hit.piece.text for hit in hits]
            scores = await self._embedder.rerank(collection.model, query.text, texts)
            scored = (replace(hit, score=score) for hit, score in zip(hits, scores, strict=True))
            hits = sorted(scored, key=lambda hit: -hit.score)
        if query.mmr_lambda is not None:
            return diversified(hits, query.top_k, query.mmr_lambda)
        return hits[: query.top_k]


def _alike(hits: Sequence[Hit], min_score: float) -> int:
    return sum(hit.similarity >= min_score for hit in hits)
