"""/v1/rag: collections, documents and searches in our own words."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.convert.attributes import filter_of
from olo_gateway.errors import FileTooLarge
from olo_gateway.files.shelf import Shelf
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.documents import schemas
from olo_gateway.http.documents.answers import collection_of, document_of, passage_of, result_of
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Documents

_MAX_CALL_BYTES: Final = 15 * 1024 * 1024
"""What one call to the retrieval service carries."""
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is wrong; `param` names it.", **AN_ERROR},
    404: {"description": "There is no such collection, document or file.", **AN_ERROR},
    409: {"description": "There is a collection of this name.", **AN_ERROR},
    503: {"description": "The retrieval service is away, or no embedding model answers.", **AN_ERROR},
}
_STRATEGIES: Final = {
    "structure": pb.CHUNK_STRATEGY_STRUCTURE,
    "parent_child": pb.CHUNK_STRATEGY_PARENT_CHILD,
    "fixed": pb.CHUNK_STRATEGY_FIXED,
}
_COLLECTION: Final = "/v1/rag/collections/{name}"
_DOCUMENT: Final = "/v1/rag/documents/{document_id}"

InCollection = Annotated[str, Query(description="The collection.")]


def rag_routes(retrieval: Documents, shelf: Shelf) -> APIRouter:
    """The routes of documents."""
    router = APIRouter(route_class=StrictRoute, tags=["rag"], responses=_ERRORS)
    _collection_routes(router, retrieval)

    @router.post("/v1/rag/ingest", summary="Have documents indexed; one that is refused does not stop the others")
    async def ingest(body: schemas.IngestRequest) -> schemas.IngestAnswer:
        left, documents = _MAX_CALL_BYTES, []
        for number, given in enumerate(body.documents):
            document = await _input(shelf, f"documents[{number}]", given, left)
            left -= document.ByteSize()
            documents.append(document)
        results = await retrieval.ingest(tenant(), body.collection, documents)
        return schemas.IngestAnswer(results=[result_of(result) for result in results])

    @router.post("/v1/rag/search", summary="Find passages")
    async def search(body: schemas.SearchRequest) -> schemas.SearchAnswer:
        request = pb.SearchRequest(
            collection=body.collection,
            query=body.query,
            top_k=body.top_k,
            tenant=tenant(),
            min_score=body.min_score,
            retriever=body.retriever,
            mmr_lambda=body.mmr_lambda,
            rerank=body.rerank,
            filter=filter_of(body.filter, "filter") if body.filter is not None else None,
        )
        return schemas.SearchAnswer(passages=[passage_of(passage) for passage in await retrieval.search(request)])

    @router.get("/v1/rag/documents", summary="List the documents of a collection")
    async def list_documents(
        collection: InCollection,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
        page_token: Annotated[str, Query(description="`next_page_token` of the page before.")] = "",
    ) -> schemas.DocumentList:
        found, following = await retrieval.page(tenant(), collection, page_size, page_token)
        return schemas.DocumentList(data=[document_of(each) for each in found], next_page_token=following or None)

    @router.get(_DOCUMENT, summary="Show a document and how far it is indexed")
    async def get_document(document_id: str, collection: InCollection) -> schemas.Document:
        return document_of(await retrieval.document(tenant(), collection, document_id))

    @router.delete(_DOCUMENT, summary="Remove a document and its passages")
    async def delete_document(document_id: str, collection: InCollection) -> schemas.Deleted:
        await retrieval.delete(tenant(), collection, document_id)
        return schemas.Deleted()

    return router


def _collection_routes(router: APIRouter, retrieval: Documents) -> None:
    @router.post("/v1/rag/collections", summary="Make a collection")
    async def create(body: schemas.CollectionRequest) -> schemas.Collection:
        chunking = pb.Chunking(
            strategy=_STRATEGIES[body.strategy],
            max_tokens=_count("max_tokens", body.max_tokens),
            overlap_tokens=_count("overlap_tokens", body.overlap_tokens),
        )
        made = await retrieval.create_collection(
            tenant(), body.name, embedding_model=body.embedding_model, chunking=chunking
        )
        return collection_of(made)

    @router.get("/v1/rag/collections", summary="List the collections")
    async def list_collections() -> schemas.CollectionList:
        found = await retrieval.collections(tenant())
        return schemas.CollectionList(data=[collection_of(each) for each in found])

    @router.get(_COLLECTION, summary="Show a collection")
    async def get(name: str) -> schemas.Collection:
        return collection_of(await retrieval.collection(tenant(), name))

    @router.delete(_COLLECTION, summary="Delete a collection with its documents")
    async def delete(name: str) -> schemas.Deleted:
        await retrieval.delete_collection(tenant(), name)
        return schemas.Deleted()


async def _input(shelf: Shelf, field: str, given: schemas.DocumentInput, left: int) -> pb.DocumentInput:
    """A document as retrieval takes it."""
    if sum(each is not None for each in (given.content, given.file_id, given.url)) != 1:
        raise InvalidField(field, "needs exactly one of content, file_id and url")
    document = pb.DocumentInput(
        document_id=given.document_id,
        title=given.title,
        source=given.source,
        content=given.content or "",
        url=given.url or "",
        metadata=given.metadata,
    )
    if given.file_id is not None:
        file = await shelf.get(tenant(), given.file_id, f"{field}.file_id")
        if file.size > left:
            raise FileTooLarge(_MAX_CALL_BYTES)
        async with aclosing(shelf.read(tenant(), file.file_id)) as pieces:
            document.data = b"".join([piece async for piece in pieces])
        document.document_id = document.document_id or file.file_id
        document.source = document.source or file.filename
    return document


def _count(field: str, number: int) -> int:
    if not 0 <= number < 2**31:
        raise InvalidField(field, "must not be negative")
    return number
