"""What the core needs of the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from olo_common.errors import OloError
from olo_retrieval.chunking import DEFAULT, Chunking
from olo_retrieval.parsing import Extracted, Format
from olo_retrieval.types import (
    Collection,
    DocumentRecord,
    Draft,
    EmbeddingModel,
    Fetched,
    Hit,
    HybridProbe,
    InputSide,
    Point,
    Ranking,
    RawFile,
    Removal,
    Selection,
    SparseVector,
    Staging,
    StoredVersion,
    Vector,
    VersionRef,
)


class CollectionStore(Protocol):
    """Collections, by tenant and name."""

    async def create(self, tenant: str, name: str, model: EmbeddingModel, chunking: Chunking = DEFAULT) -> Collection:
        """Makes an empty one. Raises CollectionExists."""
        ...

    async def get(self, tenant: str, name: str) -> Collection:
        """One with its counts. Raises CollectionNotFound."""
        ...

    async def find(self, tenant: str, name: str) -> Collection:
        """One without its counts, which take longer the more documents there are. Raises CollectionNotFound."""
        ...

    async def page(self, tenant: str, after: str, limit: int) -> list[Collection]:
        """At most `limit` whose name comes after `after`."""
        ...

    async def everyone(self) -> list[Collection]:
        """All of all tenants."""
        ...

    async def set_retriever(self, tenant: str, name: str, retriever: str) -> None:
        """Says how searches find passages that do not say so; empty: as the service is set.

        Raises:
            CollectionNotFound: There is none.
        """
        ...

    async def delete(self, tenant: str, name: str) -> None:
        """Deletes the rows and notes the points for removal, in one transaction. Raises CollectionNotFound."""
        ...


class DocumentStore(Protocol):
    """Documents, as callers see them."""

    async def stage(self, collection: Collection, draft: Draft) -> tuple[DocumentRecord, Staging]:
        """Stores a draft as the newest version, unless the same is there. Raises CollectionNotFound."""
        ...

    async def get(self, collection: Collection, document_id: str) -> DocumentRecord:
        """One document. Raises DocumentNotFound."""
        ...

    async def page(self, collection: Collection, after: str, limit: int) -> list[DocumentRecord]:
        """At most `limit` whose id comes after `after`."""
        ...

    async def delete(self, collection: Collection, document_id: str) -> None:
        """Deletes the row and notes the points for removal, in one transaction. Raises DocumentNotFound."""
        ...


class VersionStore(Protocol):
    """Versions of documents on their way to be served."""

    async def wanted(self, collection: Collection, document_id: str, version: int) -> StoredVersion | None:
        """The version, if it is the newest or the served one of a document that still exists."""
        ...

    async def served(self, collection: Collection, after: str, limit: int) -> list[tuple[str, int, int]]:
        """Document id, version and number of chunks of what is served, by document id."""
        ...

    async def served_versions(self, collection: Collection, document_ids: Iterable[str]) -> Mapping[str, int]:
        """The served version of each of these documents that has one."""
        ...

    async def served_now(self, collection: Collection, document_ids: Iterable[str]) -> Mapping[str, int] | None:
        """The same, by the read that says whether the collection is still as it is given; None where it is not."""
        ...

    async def store_file(
        self, collection: Collection, document_id: str, version: int, file: RawFile, sha256: str
    ) -> None:
        """Keeps the file that was fetched for a version."""
        ...

    async def store_text(self, collection: Collection, document_id: str, version: int, text: Extracted) -> None:
        """Keeps the text of a file, with a title where none was given, and forgets the file."""
        ...

    async def note_progress(
        self, collection: Collection, document_id: str, version: int, done: int, total: int
    ) -> None:
        """Says how many of a version's chunks are written; the first time starts the clock."""
        ...

    async def mark_indexed(self, collection: Collection, document_id: str, version: int, chunks: int) -> None:
        """Says how many points the version has, unless searches see another index by now."""
        ...

    async def swap(self, collection: Collection, document_id: str, version: int) -> bool:
        """Makes the version the served one, in one transaction; false where it is not the newest any more.

        Raises:
            IndexIncomplete: Searches see another index by now.
        """
        ...

    async def note_error(self, collection: Collection, document_id: str, version: int, error: OloError) -> None:
        """Says why indexing has not succeeded so far."""
        ...

    async def mark_failed(self, collection: Collection, document_id: str, version: int, error: str) -> None:
        """Says that indexing has failed, and forgets the file. `error` counts where no attempt has noted one."""
        ...

    async def prune(self, collection: Collection, document_id: str) -> None:
        """Forgets the contents of versions that are neither served nor the newest."""
        ...

    async def unfinished(self, older_than_seconds: float, limit: int) -> list[VersionRef]:
        """Versions that have been indexing for longer than this."""
        ...

    async def removals(self, limit: int) -> list[Removal]:
        """Points that are to be removed now."""
        ...

    async def removed(self, removal_id: int) -> None:
        """Says that the points are gone."""
        ...


class VectorStore(Protocol):
    """Points: vectors with the pieces that they stand for. Each embedding model has its own space."""

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """Writes points into the tenant and collection of the scope; the same piece again replaces its point."""
        ...

    async def search(
        self,
        model: EmbeddingModel,
        selection: Selection,
        probe: Vector | SparseVector,
        limit: int,
        *,
        with_vectors: bool = False,
    ) -> list[Hit]:
        """The points of the selection that are nearest to the probe, best first.

        The score is the cosine for a dense probe; for a sparse one the product, weighted by the rarity of each term
        in the tenant's collection where the store was opened for that. A sparse probe finds only points that share a
        term with it.
        """
        ...

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """Both searches in one visit: what each finds, fused by ranks as `searching.fusion` says.

        Returns:
            The best, each with its cosine to the dense probe as `similarity`.
        """
        ...

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""
        ...

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """The points of the selection with both of their vectors, the dense one at unit length, by number.

        For selections of few points: a part of the pieces of one version.
        """
        ...

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection; none is no error."""
        ...

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    async def choose(self, model_id: str) -> EmbeddingModel:
        """The model of this id, or the default where it is empty. Raises what the router says."""
        ...

    async def embed(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        """One vector for each text. Raises Unavailable, EmbeddingMismatch."""
        ...

    async def embed_sparse(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[SparseVector]:
        """One sparse vector for each text, from the instances that serve this model. Raises Unavailable."""
        ...

    async def rerank(self, model: EmbeddingModel, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, on the scale of the reranker beside this model. Raises Unavailable."""
        ...


class Index(Protocol):
    """What a retriever may search: one collection of one tenant, through the filter of the request."""

    async def dense(self, text: str, limit: int) -> list[Hit]:
        """The nearest in meaning, best first."""
        ...

    async def sparse(self, text: str, limit: int) -> list[Hit]:
        """Those that share words, best first."""
        ...

    async def hybrid(self, text: str, limit: int) -> Ranking:
        """Both, each of at most `limit`, fused by their ranks: the best of them, and whether they are all."""
        ...


class Retriever(Protocol):
    """A way to find passages. Entry points of the group `olo.retrievers` add ways: functions that make one."""

    async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
        """Ranks at most `limit` hits of each search of the index; asked again with a larger limit, it ranks more."""
        ...


class Parser(Protocol):
    """Reads the text out of files."""

    async def parse(self, data: bytes, claimed: Format) -> Extracted:
        """The text of a file. Raises DocumentEmpty and the kinds of UnreadableDocument."""
        ...


class Fetcher(Protocol):
    """Fetches files from the public web, and from nowhere else."""

    async def fetch(self, url: str) -> Fetched:
        """What stands behind a URL. Raises UrlForbidden, RobotsDisallow, FetchLimit, FetchFailed, Unavailable."""
        ...


class IngestStarter(Protocol):
    """Starts the durable workflow that indexes a version."""

    async def start(self, ref: VersionRef) -> None:
        """Starts it, or finds it running. Raises Unavailable."""
        ...
