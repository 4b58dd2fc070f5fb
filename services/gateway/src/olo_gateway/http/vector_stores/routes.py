"""/v1/vector_stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from fastapi import APIRouter

from olo.retrieval.v1.retrieval_service_pb2 import Document, SearchRequest
from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.calls.vector_stores import Attachment, Label, VectorStores
from olo_gateway.convert.attributes import filter_of
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.http.vector_stores import schemas
from olo_gateway.http.vector_stores.answers import batch_of, chunking_of, file_of, hit_of, store_of
from olo_gateway.http.vector_stores.paging import Paging

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is wrong; `param` names it.", **AN_ERROR},
    404: {"description": "There is no such vector store or file.", **AN_ERROR},
    501: {"description": "The operator has given no place for files.", **AN_ERROR},
    503: {"description": "The retrieval service or the store of files is away.", **AN_ERROR},
}
_STORES: Final = "/v1/vector_stores"
_STORE: Final = _STORES + "/{store_id}"
_FILES: Final = _STORE + "/files"
_FILE: Final = _FILES + "/{file_id}"
_BATCHES: Final = _STORE + "/file_batches"
_BATCH: Final = _BATCHES + "/{batch_id}"

Status = Literal["in_progress", "completed", "failed", "cancelled"]


def vector_store_routes(stores: VectorStores) -> APIRouter:
    """The routes of vector stores, of their files and of searches in them."""
    router = APIRouter(route_class=StrictRoute, tags=["vector stores"], responses=_ERRORS)
    _store_routes(router, stores)
    _file_routes(router, stores)
    _batch_routes(router, stores)

    @router.post(f"{_STORE}/search", summary="Find passages")
    async def search(store_id: str, body: schemas.StoreSearch) -> schemas.SearchPage:
        if body.rewrite_query:
            raise _unsupported("rewrite_query")
        queries = [body.query] if isinstance(body.query, str) else body.query
        if not queries:
            raise InvalidField("query", "at least one is needed")
        options = body.ranking_options or schemas.RankingOptions()
        request = SearchRequest(
            tenant=tenant(),
            top_k=body.max_num_results,
            min_score=options.score_threshold,
            retriever=body.retriever or "",
            rerank=body.rerank,
            filter=filter_of(body.filters) if body.filters is not None else None,
        )
        found = await stores.search(store_id, request, queries)
        return schemas.SearchPage(search_query=queries, data=[hit_of(passage) for passage in found])

    return router


def _store_routes(router: APIRouter, stores: VectorStores) -> None:
    @router.post(_STORES, summary="Make a vector store")
    async def create(body: schemas.StoreRequest) -> schemas.Store:
        for name in ("expires_after", "description"):
            if getattr(body, name) is not None:
                raise _unsupported(name)
        label = Label(body.name or "", body.metadata or {})
        chunking = chunking_of(body.chunking_strategy)
        return store_of(await stores.create(tenant(), label, chunking, body.file_ids or []))

    @router.get(_STORES, summary="List the vector stores; every collection is one")
    async def list_stores(paging: Paging) -> schemas.StoreList:
        page = paging.of([store_of(store) for store in await stores.all(tenant())])
        return schemas.StoreList(data=page.items, has_more=page.more, first_id=page.first, last_id=page.last)

    @router.get(_STORE, summary="Show a vector store")
    async def get(store_id: str) -> schemas.Store:
        return store_of(await stores.get(tenant(), store_id))

    @router.post(_STORE, summary="Set name and metadata")
    async def update(store_id: str, body: schemas.StoreUpdate) -> schemas.Store:
        if body.expires_after is not None:
            raise _unsupported("expires_after")
        return store_of(await stores.update(tenant(), store_id, body.name, body.metadata))

    @router.delete(_STORE, summary="Delete a vector store; its files stay")
    async def delete(store_id: str) -> schemas.StoreDeleted:
        await stores.delete(tenant(), store_id)
        return schemas.StoreDeleted(id=store_id)


def _file_routes(router: APIRouter, stores: VectorStores) -> None:
    @router.post(_FILES, summary="Have a file indexed")
    async def attach(store_id: str, body: schemas.AttachRequest) -> schemas.StoreFile:
        return file_of(await stores.attach(tenant(), store_id, _attachment(body)), store_id)

    @router.get(_FILES, summary="List the files of a vector store")
    async def list_files(store_id: str, paging: Paging, filter: Status | None = None) -> schemas.StoreFileList:
        return _files(await stores.documents(tenant(), store_id), store_id, paging, filter)

    @router.get(_FILE, summary="Show a file of a vector store")
    async def get_file(store_id: str, file_id: str) -> schemas.StoreFile:
        return file_of(await stores.document(tenant(), store_id, file_id), store_id)

    @router.post(_FILE, summary="Set the attributes of a file, which is indexed anew")
    async def update_file(store_id: str, file_id: str, body: schemas.AttributesUpdate) -> schemas.StoreFile:
        await stores.document(tenant(), store_id, file_id)
        attachment = Attachment(file_id, body.attributes or {})
        return file_of(await stores.attach(tenant(), store_id, attachment), store_id)

    @router.delete(_FILE, summary="Have a file searched no longer; it stays")
    async def detach(store_id: str, file_id: str) -> schemas.StoreFileDeleted:
        await stores.detach(tenant(), store_id, file_id)
        return schemas.StoreFileDeleted(id=file_id)


def _batch_routes(router: APIRouter, stores: VectorStores) -> None:
    @router.post(_BATCHES, summary="Have several files indexed")
    async def attach_all(store_id: str, body: schemas.AttachManyRequest) -> schemas.StoreFileBatch:
        if bool(body.files) == bool(body.file_ids):
            raise InvalidField("file_ids", "either file_ids or files are needed")
        common, chunking = body.attributes or {}, chunking_of(body.chunking_strategy)
        attachments = [Attachment(file_id, common, chunking) for file_id in body.file_ids or []]
        attachments += [_attachment(file) for file in body.files or []]
        return batch_of(await stores.attach_all(tenant(), store_id, attachments))

    @router.get(_BATCH, summary="Show how far files have come that were attached together")
    async def get_batch(store_id: str, batch_id: str) -> schemas.StoreFileBatch:
        return batch_of(await stores.batch(tenant(), store_id, batch_id))

    @router.get(f"{_BATCH}/files", summary="List the files that were attached together")
    async def batch_files(
        store_id: str, batch_id: str, paging: Paging, filter: Status | None = None
    ) -> schemas.StoreFileList:
        batch = await stores.batch(tenant(), store_id, batch_id)
        return _files(batch.documents, store_id, paging, filter)


def _files(
    documents: Sequence[Document], store_id: str, paging: Paging, status: Status | None
) -> schemas.StoreFileList:
    found = [file_of(each, store_id) for each in documents]
    page = paging.of([each for each in found if status in (None, each.status)])
    return schemas.StoreFileList(data=page.items, has_more=page.more, first_id=page.first, last_id=page.last)


def _attachment(body: schemas.AttachRequest) -> Attachment:
    return Attachment(body.file_id, body.attributes or {}, chunking_of(body.chunking_strategy))


def _unsupported(name: str) -> InvalidField:
    return InvalidField(name, "this value is not supported", reason="unsupported_parameter")
