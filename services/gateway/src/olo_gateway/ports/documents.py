"""Documents, and the collections that they are in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import Protocol

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.transfer_service_pb2 import ImportCollectionResponse, ImportHeader


class Documents(Protocol):
    """Collections and their documents, each time those of one tenant. Raises what the retrieval service says."""

    async def create_collection(
        self, tenant: str, name: str, *, embedding_model: str = "", chunking: pb.Chunking | None = None
    ) -> pb.Collection:
        """Makes an empty collection."""
        ...

    async def collection(self, tenant: str, name: str) -> pb.Collection:
        """One collection."""
        ...

    async def collections(self, tenant: str) -> list[pb.Collection]:
        """All collections, by name."""
        ...

    async def delete_collection(self, tenant: str, name: str) -> None:
        """Deletes a collection with its documents."""

    async def ingest(
        self, tenant: str, collection: str, documents: Sequence[pb.DocumentInput]
    ) -> Sequence[pb.IngestDocumentResult]:
        """Takes documents in; one that is refused does not stop the others."""
        ...

    async def ingest_one(self, tenant: str, collection: str, document: pb.DocumentInput) -> pb.Document:
        """Takes a document in."""
        ...

    async def document(self, tenant: str, collection: str, document_id: str) -> pb.Document:
        """One document."""
        ...

    async def page(
        self, tenant: str, collection: str, page_size: int, page_token: str
    ) -> tuple[Sequence[pb.Document], str]:
        """Documents by id, and the token of the next page."""
        ...

    async def documents(self, tenant: str, collection: str) -> list[pb.Document]:
        """All documents of a collection."""
        ...

    async def delete(self, tenant: str, collection: str, document_id: str) -> None:
        """Removes a document."""

    async def search(self, request: pb.SearchRequest) -> Sequence[pb.Passage]:
        """The passages that fit a query, best first."""
        ...


class Transfers(Protocol):
    """Collections as files. Raises what the retrieval service says."""

    def read(self, tenant: str, name: str, *, leave_out_vectors: bool) -> AsyncGenerator[bytes, None]:
        """The file of a collection in pieces."""
        ...

    async def write(self, tenant: str, header: ImportHeader, content: AsyncIterable[bytes]) -> ImportCollectionResponse:
        """Makes a collection of a file; where that fails, there is none."""
        ...
