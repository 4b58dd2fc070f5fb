"""Collections and documents, from the retrieval service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.grpc_client import call

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceAsyncStub

_PEER: Final = "the retrieval service"
_SECONDS: Final = 10.0
_INGEST_SECONDS: Final = 60.0
_PAGE: Final = 1000


class RetrievalDocuments:
    """Asks the retrieval service, each time, in the name of one tenant after the other."""

    def __init__(self, stub: RetrievalServiceAsyncStub) -> None:
        self._stub = stub

    async def create_collection(
        self, tenant: str, name: str, *, embedding_model: str = "", chunking: pb.Chunking | None = None
    ) -> pb.Collection:
        """Makes an empty collection."""
        request = pb.CreateCollectionRequest(
            name=name, tenant=tenant, embedding_model_id=embedding_model, chunking=chunking
        )
        made: pb.CreateCollectionResponse = await call(
            self._stub.CreateCollection, request, peer=_PEER, timeout=_SECONDS
        )
        return made.collection

    async def collection(self, tenant: str, name: str) -> pb.Collection:
        """One collection."""
        request = pb.GetCollectionRequest(name=name, tenant=tenant)
        found: pb.GetCollectionResponse = await call(self._stub.GetCollection, request, peer=_PEER, timeout=_SECONDS)
        return found.collection

    async def collections(self, tenant: str) -> list[pb.Collection]:
        """All collections, by name."""
        found: list[pb.Collection] = []
        token = ""
        while True:
            request = pb.ListCollectionsRequest(page_size=_PAGE, page_token=token, tenant=tenant)
            page: pb.ListCollectionsResponse = await call(
                self._stub.ListCollections, request, peer=_PEER, timeout=_SECONDS
            )
            found += page.collections
            if not (token := page.next_page_token):
                return found

    async def delete_collection(self, tenant: str, name: str) -> None:
        """Deletes a collection with its documents."""
        request = pb.DeleteCollectionRequest(name=name, tenant=tenant)
        await call(self._stub.DeleteCollection, request, peer=_PEER, timeout=_SECONDS)

    async def ingest(
        self, tenant: str, collection: str, documents: Sequence[pb.DocumentInput]
    ) -> Sequence[pb.IngestDocumentResult]:
        """Takes documents in; one that is refused does not stop the others."""
        request = pb.IngestDocumentsRequest(collection=collection, documents=documents, tenant=tenant)
        taken: pb.IngestDocumentsResponse = await call(
            self._stub.IngestDocuments, request, peer=_PEER, timeout=_INGEST_SECONDS
        )
        return taken.results

    async def ingest_one(self, tenant: str, collection: str, document: pb.DocumentInput) -> pb.Document:
        """Takes a document in."""
        request = pb.IngestDocumentRequest(collection=collection, document=document, tenant=tenant)
        taken: pb.IngestDocumentResponse = await call(
            self._stub.IngestDocument, request, peer=_PEER, timeout=_INGEST_SECONDS
        )
        return taken.document

    async def document(self, tenant: str, collection: str, document_id: str) -> pb.Document:
        """One document."""
        request = pb.GetDocumentRequest(collection=collection, document_id=document_id, tenant=tenant)
        found: pb.GetDocumentResponse = await call(self._stub.GetDocument, request, peer=_PEER, timeout=_SECONDS)
        return found.document

    async def page(
        self, tenant: str, collection: str, page_size: int, page_token: str
    ) -> tuple[Sequence[pb.Document], str]:
        """Documents by id, and the token of the next page."""
        request = pb.ListDocumentsRequest(
            collection=collection, page_size=page_size, page_token=page_token, tenant=tenant
        )
        found: pb.ListDocumentsResponse = await call(self._stub.ListDocuments, request, peer=_PEER, timeout=_SECONDS)
        return found.documents, found.next_page_token

    async def documents(self, tenant: str, collection: str) -> list[pb.Document]:
        """All documents of a collection."""
        found: list[pb.Document] = []
        token = ""
        while True:
            page, token = await self.page(tenant, collection, _PAGE, token)
            found += page
            if not token:
                return found

    async def delete(self, tenant: str, collection: str, document_id: str) -> None:
        """Removes a document."""
        request = pb.DeleteDocumentRequest(collection=collection, document_id=document_id, tenant=tenant)
        await call(self._stub.DeleteDocument, request, peer=_PEER, timeout=_SECONDS)

    async def search(self, request: pb.SearchRequest) -> Sequence[pb.Passage]:
        """The passages that fit a query, best first."""
        found: pb.SearchResponse = await call(self._stub.Search, request, peer=_PEER, timeout=_SECONDS)
        return found.passages
