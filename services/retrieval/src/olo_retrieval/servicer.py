"""RetrievalService over gRPC: translate, call inward, translate."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceServicer
from olo_common import genai
from olo_common.errors import InvalidField, OloError
from olo_common.tracing import span
from olo_retrieval import convert, telemetry
from olo_retrieval.curation import Curation
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.ports import CollectionStore, DocumentStore
from olo_retrieval.searching.searcher import Searcher
from olo_retrieval.types import DocumentRecord, Draft

Context = grpc.aio.ServicerContext[Any, Any]


class RetrievalServicer(RetrievalServiceServicer):
    """Documents in, passages out.

    Args:
        collections: Reads collections, and sets how they are searched.
        documents: Reads documents.
        curation: Creates and deletes.
        intake: Takes documents in.
        searcher: Finds passages.
        max_document_bytes: Limit of the text of one document.
        max_file_bytes: Limit of one file.
        fetch_urls: Whether documents may be fetched from the web.
    """

    def __init__(
        self,
        *,
        collections: CollectionStore,
        documents: DocumentStore,
        curation: Curation,
        intake: Intake,
        searcher: Searcher,
        max_document_bytes: int,
        max_file_bytes: int,
        fetch_urls: bool,
    ) -> None:
        self._collections = collections
        self._documents = documents
        self._curation = curation
        self._intake = intake
        self._searcher = searcher
        self._draft_of = partial(
            convert.draft_of, max_bytes=max_document_bytes, max_file_bytes=max_file_bytes, fetch_urls=fetch_urls
        )

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: Context
    ) -> pb.CreateCollectionResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.name, "name")
        model_id = convert.embedding_model_id(request.embedding_model_id)
        chunking = convert.chunking_of(request.chunking)
        made = await self._curation.create_collection(tenant, name, model_id, chunking)
        return pb.CreateCollectionResponse(collection=convert.to_collection(made))

    async def GetCollection(self, request: pb.GetCollectionRequest, context: Context) -> pb.GetCollectionResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.name, "name")
        found = await self._collections.get(tenant, name)
        return pb.GetCollectionResponse(collection=convert.to_collection(found))

    async def ListCollections(self, request: pb.ListCollectionsRequest, context: Context) -> pb.ListCollectionsResponse:
        size, after = convert.page_of(request.page_size, request.page_token)
        found = await self._collections.page(convert.tenant_of(request.tenant), after, size + 1)
        token = convert.token_of(found[size - 1].name) if len(found) > size else ""
        shown = map(convert.to_collection, found[:size])
        return pb.ListCollectionsResponse(collections=shown, next_page_token=token)

    async def UpdateCollection(
        self, request: pb.UpdateCollectionRequest, context: Context
    ) -> pb.UpdateCollectionResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.name, "name")
        if request.HasField("retriever"):
            self._searcher.check_retriever(request.retriever)
            await self._collections.set_retriever(tenant, name, request.retriever)
        found = await self._collections.get(tenant, name)
        return pb.UpdateCollectionResponse(collection=convert.to_collection(found))

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: Context
    ) -> pb.DeleteCollectionResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.name, "name")
        await self._curation.delete_collection(tenant, name)
        return pb.DeleteCollectionResponse()

    async def IngestDocument(self, request: pb.IngestDocumentRequest, context: Context) -> pb.IngestDocumentResponse:
        tenant, collection = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        draft = self._draft_of(request.document)
        record = await self._intake.ingest(tenant, collection, draft)
        return pb.IngestDocumentResponse(document=convert.to_document(record))

    async def IngestDocuments(self, request: pb.IngestDocumentsRequest, context: Context) -> pb.IngestDocumentsResponse:
        tenant, collection = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        if not 1 <= len(request.documents) <= convert.MOST_DOCUMENTS:
            raise InvalidField("documents", f"1 to {convert.MOST_DOCUMENTS} are allowed")
        drafts = [self._draft_or_error(document) for document in request.documents]
        good = [draft for draft in drafts if isinstance(draft, Draft)]
        taken = iter(await self._intake.ingest_all(tenant, collection, good))
        outcomes: list[DocumentRecord | OloError] = [
            next(taken) if isinstance(draft, Draft) else draft for draft in drafts
        ]
        ids = [
            draft.document_id if isinstance(draft, Draft) else document.document_id
            for draft, document in zip(drafts, request.documents, strict=True)
        ]
        return pb.IngestDocumentsResponse(results=map(convert.to_result, outcomes, ids))

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Context) -> pb.GetDocumentResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        document_id = convert.document_id(request.document_id)
        record = await self._documents.get(await self._collections.get(tenant, name), document_id)
        return pb.GetDocumentResponse(document=convert.to_document(record))

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Context) -> pb.ListDocumentsResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        size, after = convert.page_of(request.page_size, request.page_token)
        found = await self._documents.page(await self._collections.get(tenant, name), after, size + 1)
        token = convert.token_of(found[size - 1].ref.document_id) if len(found) > size else ""
        return pb.ListDocumentsResponse(documents=map(convert.to_document, found[:size]), next_page_token=token)

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, context: Context) -> pb.DeleteDocumentResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        await self._curation.delete_document(tenant, name, convert.document_id(request.document_id))
        return pb.DeleteDocumentResponse()

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.SearchResponse:
        name = f"{genai.RETRIEVAL} {request.collection}"
        with telemetry.search() as seen, span(name, attributes=_asked(request)) as current:
            found = await self._searcher.search(convert.query_of(request))
            seen(found)
            current.set_attributes({"olo.retriever": found.retriever, "olo.passages": len(found.hits)})
        return pb.SearchResponse(
            passages=map(convert.to_passage, found.hits),
            embedding_model_id=found.model.model_id,
            retriever=found.retriever,
        )

    def _draft_or_error(self, document: pb.DocumentInput) -> Draft | OloError:
        try:
            return self._draft_of(document)
        except OloError as error:
            return error


def _asked(request: pb.SearchRequest) -> dict[str, str | int]:
    return {
        genai.OPERATION_NAME: genai.RETRIEVAL,
        genai.DATA_SOURCE_ID: request.collection,
        genai.REQUEST_TOP_K: request.top_k,
    }
