"""Finds passages. Only served versions are shown: a search sees the old version of a document or the new one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from olo_common.errors import InvalidField, OloError, Unavailable
from olo_retrieval.filters import Filter
from olo_retrieval.ports import CollectionStore, Embedder, Index, Retriever, VectorStore, VersionStore
from olo_retrieval.searching.diversity import diversified
from olo_retrieval.searching.index import CollectionIndex
from olo_retrieval.types import Collection, EmbeddingModel, Hit

_ROUNDS = 8
_POOL = 4
"""Passages looked at, for each that is wanted, where the best are chosen anew."""
_SMALLEST_POOL = 20
_MOST_KNOWN = 1_000
"""Collections that are remembered."""


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
        self._known: OrderedDict[tuple[str, str], Collection] = OrderedDict()

    def check_retriever(self, name: str) -> None:
        """Raises InvalidField where there is no such retriever; empty is the default one."""
        if name and name not in self._retrievers:
            raise InvalidField("retriever", f"is none of {', '.join(sorted(self._retrievers))}")

    async def search(self, query: Query) -> Found:
        """The best passages.

        A collection is looked up once and then remembered. The read that says which versions are served says too
        whether it has changed since; then everything is done anew. So an answer is from one index, and the query was
        embedded by the model of that.

        Raises:
            CollectionNotFound: There is no such collection.
            InvalidField: There is no such retriever.
            SparseUnavailable: The retriever needs sparse vectors, and there are none.
            Unavailable: No embedding model answers, or the index is being rebuilt.
        """
        self.check_retriever(query.retriever)
        for _ in range(_ROUNDS):
            collection = await self._look_up(query.tenant, query.collection)
            try:
                return await self._search(collection, query)
            except _Changed:
                self._known.pop((query.tenant, query.collection), None)
            except OloError:
                if await self._versions.served_now(collection, ()) is not None:
                    raise
                self._known.pop((query.tenant, query.collection), None)
        raise Unavailable("the collection keeps changing", retry_after=1.0)

    async def _look_up(self, tenant: str, name: str) -> Collection:
        known = self._known.get((tenant, name)) or await self._collections.find(tenant, name)
        self._known[tenant, name] = known
        self._known.move_to_end((tenant, name))
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return known

    async def _search(self, collection: Collection, query: Query) -> Found:
        name = query.retriever or collection.retriever or self._default
        self.check_retriever(name)
        if not self._complete(collection.uid):
            raise Unavailable("the index of this collection is being rebuilt", retry_after=1.0)
        index = CollectionIndex(
            self._vectors,
            self._embedder,
            collection,
            query.filter,
            sparse=self._sparse,
            with_vectors=query.mmr_lambda is not None,
            # With a threshold, what is nearest in meaning tells whether to look deeper, and all of it is wanted.
            whole=query.min_score is not None,
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
            served = await self._versions.served_now(collection, documents)
            if served is None:
                raise _Changed
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
            scored = (hit.ranked(score) for hit, score in zip(hits, scores, strict=True))
            hits = sorted(scored, key=lambda hit: -hit.score)
        if query.mmr_lambda is not None:
            return diversified(hits, query.top_k, query.mmr_lambda)
        return hits[: query.top_k]


class _Changed(Exception):
    """The collection is not what it was when the search began."""


def _alike(hits: Sequence[Hit], min_score: float) -> int:
    return sum(hit.similarity >= min_score for hit in hits)
