"""Collections."""

from __future__ import annotations

from dataclasses import dataclass

from olo_retrieval.chunking.plan import DEFAULT, Chunking
from olo_retrieval.filters import Filter
from olo_retrieval.types.points import Selection
from olo_retrieval.types.vectors import EmbeddingModel


@dataclass(frozen=True, slots=True)
class Collection:
    """A set of documents and the index that searches of it see.

    `uid` tells it from an earlier collection of the same name, `index_uid` its index from another one that a migration
    builds or has built.
    """

    uid: str
    tenant: str
    name: str
    model: EmbeddingModel
    created_ms: int
    chunking: Chunking = DEFAULT
    document_count: int = 0
    chunk_count: int = 0
    index_uid: str = ""
    """Empty: the first index, which has the uid of the collection."""
    retriever: str = ""
    """How searches find passages that do not say so; empty: as the service is set."""
    revision: int = 0
    """Grows with every change of the fields that searches read."""

    def points(
        self,
        document_id: str | None = None,
        version: int | None = None,
        *,
        up_to_version: int | None = None,
        filter: Filter | None = None,
    ) -> Selection:
        """Points of its index: all, or those of a document, or of a version."""
        index_uid = self.index_uid or self.uid
        return Selection(self.tenant, index_uid, document_id, version, up_to_version, filter)
