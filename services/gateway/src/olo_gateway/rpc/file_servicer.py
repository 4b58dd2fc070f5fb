"""FileService over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc

from olo.gateway.v1 import file_service_pb2 as pb
from olo.gateway.v1.file_service_pb2_grpc import FileServiceServicer
from olo_common.durations import seconds_of
from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.files.shelf import FileDraft, Shelf, StoredFile

MAX_FILES_PER_PAGE: Final = 1000
DEFAULT_FILES_PER_PAGE: Final = 100

Context = grpc.aio.ServicerContext[Any, Any]


class FileServicer(FileServiceServicer):
    """Translates calls and answers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def UploadFile(
        self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: Context
    ) -> pb.UploadFileResponse:
        """Stores a file."""
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("header"):
            raise InvalidField("header", "must come first")
        header = first.header
        life = seconds_of(header.expires_after) if header.HasField("expires_after") else None
        draft = FileDraft(header.filename, header.purpose, life)
        return pb.UploadFileResponse(file=_message_of(await self._shelf.take(tenant(), draft, _data(request_iterator))))

    async def GetFile(self, request: pb.GetFileRequest, context: Context) -> pb.GetFileResponse:
        """Returns what is known of a file."""
        return pb.GetFileResponse(file=_message_of(await self._shelf.get(tenant(), request.file_id)))

    async def ListFiles(self, request: pb.ListFilesRequest, context: Context) -> pb.ListFilesResponse:
        """Lists files, newest first."""
        if request.page_size > MAX_FILES_PER_PAGE:
            raise InvalidField("page_size", f"must be from 1 to {MAX_FILES_PER_PAGE}")
        size = request.page_size or DEFAULT_FILES_PER_PAGE
        files, more = await self._shelf.list(tenant(), size, request.page_token, request.purpose)
        token = files[-1].file_id if more else ""
        return pb.ListFilesResponse(files=[_message_of(file) for file in files], next_page_token=token)

    async def ReadFile(
        self, request: pb.ReadFileRequest, context: Context
    ) -> AsyncGenerator[pb.ReadFileResponse, None]:
        """Sends the bytes of a file."""
        async with aclosing(self._shelf.read(tenant(), request.file_id)) as pieces:
            async for piece in pieces:
                yield pb.ReadFileResponse(data=piece)

    async def DeleteFile(self, request: pb.DeleteFileRequest, context: Context) -> pb.DeleteFileResponse:
        """Deletes a file."""
        await self._shelf.delete(tenant(), request.file_id)
        return pb.DeleteFileResponse()


async def _data(requests: AsyncIterator[pb.UploadFileRequest]) -> AsyncGenerator[bytes, None]:
    async for request in requests:
        if request.HasField("header"):
            raise InvalidField("header", "must come once")
        yield request.data


def _message_of(file: StoredFile) -> pb.File:
    message = pb.File(
        file_id=file.file_id,
        filename=file.filename,
        purpose=file.purpose,
        size_bytes=file.size,
        create_time={"seconds": file.created},
    )
    if file.expires is not None:
        message.expire_time.seconds = file.expires
    return message
