"""/v1/rag/export and /v1/rag/import: collections as files."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from olo.retrieval.v1 import transfer_service_pb2 as pb
from olo_contracts.identifiers import COLLECTION
from olo_gateway.access.caller import tenant
from olo_gateway.http.documents import schemas
from olo_gateway.http.documents.answers import collection_of
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Transfers

IMPORT_PATH: Final = "/v1/rag/import"
MOST_BYTES: Final = 1024**5
"""The retrieval service says how much it takes; nothing of it is held here."""
_TAR: Final = "application/x-tar"
_AWAY: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A parameter or the file is wrong; `param` names it.", **AN_ERROR},
    404: {"description": "There is no such collection or embedding model.", **AN_ERROR},
    503: {"description": "The retrieval service is away.", **AN_ERROR},
}
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "There is a collection of this name.", **AN_ERROR}
}
_BODY: Final = {
    "requestBody": {"required": True, "content": {_TAR: {"schema": {"type": "string", "format": "binary"}}}}
}


def transfer_routes(collections: Transfers) -> APIRouter:
    """The routes of collections as files."""
    router = APIRouter(tags=["rag"], responses=_AWAY)

    @router.get(
        "/v1/rag/export",
        summary="Download a collection as a file",
        response_class=StreamingResponse,
        responses={200: {"content": {_TAR: {}}}},
    )
    async def export(
        collection: Annotated[str, Query(description="The collection.")],
        vectors: Annotated[bool, Query(description="false: a smaller file, whose documents are embedded anew.")] = True,
    ) -> StreamingResponse:
        file = collections.read(tenant(), collection, leave_out_vectors=not vectors)
        # What is wrong with the call shows before the answer begins.
        first = await anext(file)

        async def content() -> Any:
            async with aclosing(file):
                yield first
                async for piece in file:
                    yield piece

        name = collection if COLLECTION.fullmatch(collection) else "collection"
        headers = {"content-disposition": f'attachment; filename="{name}.tar"', "x-content-type-options": "nosniff"}
        return StreamingResponse(content(), media_type=_TAR, headers=headers)

    @router.post(
        IMPORT_PATH,
        summary="Make a collection of a file; it is there with all of its documents, or not at all",
        responses=_TAKEN,
        openapi_extra=_BODY,
    )
    async def import_collection(
        request: Request,
        collection: Annotated[str, Query(description="Its name; empty: as it was called.")] = "",
        embedding_model: Annotated[
            str, Query(description="Empty: the one that has embedded it, or the default one where that is not known.")
        ] = "",
    ) -> schemas.ImportAnswer:
        header = pb.ImportHeader(name=collection, embedding_model_id=embedding_model)
        taken = await collections.write(tenant(), header, request.stream())
        return schemas.ImportAnswer(
            collection=collection_of(taken.collection), documents_to_index=taken.documents_to_index
        )

    return router
