"""Compares what two indexes of one collection find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from olo_retrieval.migrating.records import Comparison
from olo_retrieval.ports import Embedder, VectorStore, VersionStore
from olo_retrieval.searching.index import CollectionIndex
from olo_retrieval.types import Collection

DOCUMENTS: Final = 10
"""How many documents of each search are compared."""
_HITS: Final = 4 * DOCUMENTS
_LONGEST_QUERY: Final = 200


class Samples:
    """Asks two indexes the same, by meaning, with sentences of stored documents.

    Args:
        versions: Has the texts, and says what is served.
        vectors: Both indexes.
        embedder: Embeds each query by the model of the index that is asked.
    """

    def __init__(self, versions: VersionStore, vectors: VectorStore, embedder: Embedder) -> None:
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder

    async def compare(
        self, old: Collection, new: Collection, documents: Sequence[tuple[str, int]]
    ) -> Comparison | None:
        """What is common to what both find, asked one query from each document and version.

        Returns:
            None where there is nothing to ask.

        Raises:
            OloError: One of the embedding models does not answer.
        """
        shares = []
        for document_id, version in documents:
            stored = await self._versions.wanted(old, document_id, version)
            query = _query_of(stored.content) if stored else ""
            if not query:
                continue
            before, after = await self._found(old, query), await self._found(new, query)
            if before:
                shares.append(len(before & after) / len(before))
        return Comparison(sum(shares) / len(shares), len(shares)) if shares else None

    async def _found(self, collection: Collection, query: str) -> set[str]:
        """The documents found first, of those that are served."""
        index = CollectionIndex(self._vectors, self._embedder, collection, None, sparse=False, with_vectors=False)
        hits = await index.dense(query, _HITS)
        served = await self._versions.served_versions(collection, {hit.piece.document_id for hit in hits})
        found = [hit.piece.document_id for hit in hits if served.get(hit.piece.document_id) == hit.piece.version]
        return set(list(dict.fromkeys(found))[:DOCUMENTS])


def _query_of(content: str) -> str:
    """A line from the middle of a text."""
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    return lines[len(lines) // 2][:_LONGEST_QUERY] if lines else ""
