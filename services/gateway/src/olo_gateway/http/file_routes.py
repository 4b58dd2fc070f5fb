"""/v1/files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import StreamingResponse

from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.files.objects import PIECE_BYTES
from olo_gateway.files.shelf import FileDraft, Shelf, StoredFile
from olo_gateway.http.file_schemas import FileDeleted, FileList, FileObject
from olo_gateway.http.schemas import AN_ERROR

FORM_BYTES: Final = 64 * 1024
"""What a form may have beside the file."""
_PAGE: Final = 10_000
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is no such file.", **AN_ERROR},
    501: {"description": "The operator has given no place for files.", **AN_ERROR},
    503: {"description": "The store of files does not answer.", **AN_ERROR},
}
_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is wrong; `param` names it.", **AN_ERROR},
    413: {"description": "The body is too large.", **AN_ERROR},
}


def file_routes(shelf: Shelf) -> APIRouter:
    """The routes of files."""
    router = APIRouter(tags=["files"])

    @router.post("/v1/files", summary="Upload a file", responses=_REFUSED | _UNKNOWN)
    async def upload(
        file: Annotated[UploadFile, File(description="The file.")],
        purpose: Annotated[str, Form(description="`batch` for batches, `assistants` for vector stores.")],
        anchor: Annotated[str | None, Form(alias="expires_after[anchor]")] = None,
        seconds: Annotated[int | None, Form(alias="expires_after[seconds]")] = None,
    ) -> FileObject:
        if anchor not in (None, "created_at"):
            raise InvalidField("expires_after.anchor", "must be created_at")
        draft = FileDraft(file.filename or "", purpose, seconds)
        return file_of(await shelf.take(tenant(), draft, _pieces(file)))

    @router.get("/v1/files", summary="List the files, newest first", responses=_UNKNOWN)
    async def list_files(
        purpose: Annotated[str, Query(description="Empty: all.")] = "",
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
        after: Annotated[str, Query(description="The last file of the page before.")] = "",
        order: Literal["asc", "desc"] = "desc",
    ) -> FileList:
        files, more = await shelf.list(tenant(), limit, after, purpose, oldest_first=order == "asc")
        return FileList(
            data=[file_of(file) for file in files],
            has_more=more,
            first_id=files[0].file_id if files else None,
            last_id=files[-1].file_id if files else None,
        )

    @router.get("/v1/files/{file_id}", summary="Show a file", responses=_UNKNOWN)
    async def get_file(file_id: str) -> FileObject:
        return file_of(await shelf.get(tenant(), file_id))

    @router.get(
        "/v1/files/{file_id}/content",
        summary="Download a file",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/octet-stream": {}}}, **_UNKNOWN},
    )
    async def content(file_id: str) -> StreamingResponse:
        file = await shelf.get(tenant(), file_id)
        headers = {
            "content-length": str(file.size),
            # A file of a caller is never a page of ours.
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename)}",
            "x-content-type-options": "nosniff",
        }
        pieces = shelf.read(tenant(), file_id)
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)

    @router.delete("/v1/files/{file_id}", summary="Delete a file", responses=_UNKNOWN)
    async def delete(file_id: str) -> FileDeleted:
        await shelf.delete(tenant(), file_id)
        return FileDeleted(id=file_id)

    return router


def file_of(file: StoredFile) -> FileObject:
    """A file in the dialect."""
    return FileObject(
        id=file.file_id,
        bytes=file.size,
        created_at=file.created,
        expires_at=file.expires,
        filename=file.filename,
        purpose=file.purpose,
    )


async def _pieces(file: UploadFile) -> AsyncGenerator[bytes, None]:
    while piece := await file.read(PIECE_BYTES):
        yield piece
