"""Files and batches of `AsyncOlo`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Unpack

import grpc

from olo.gateway.v1 import batch_service_pb2 as bt
from olo.gateway.v1 import file_service_pb2 as fl
from olo.gateway.v1.batch_service_pb2_grpc import BatchServiceStub
from olo.gateway.v1.file_service_pb2_grpc import FileServiceStub
from olo_client.async_calls import AsyncCalls
from olo_client.transfers import TRANSFER_SECONDS, BatchOptions, batch_request, header_of, upload_requests


class AsyncFiles:
    """Files that the gateway keeps."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = FileServiceStub(calls.channel)

    async def upload(
        self,
        source: Path | bytes,
        *,
        purpose: str,
        filename: str = "",
        expires_after: float | None = None,
        timeout: float = TRANSFER_SECONDS,
    ) -> fl.File:
        """Stores a file. It is not tried again: nobody could tell whether it is there already.

        Args:
            source: A file of this machine, or bytes.
            purpose: `batch`, `assistants` or another one that the gateway knows.
            filename: Its name; empty: that of the path.
            expires_after: Seconds after which it is deleted; None: it stays.
            timeout: Seconds for the transfer.
        """
        requests = upload_requests(source, header_of(source, purpose, filename, expires_after))
        return (await self._calls.call(self._stub.UploadFile, requests, timeout=timeout, repeatable=False)).file

    async def get(self, file_id: str) -> fl.File:
        """What is known of a file."""
        return (await self._calls.call(self._stub.GetFile, fl.GetFileRequest(file_id=file_id))).file

    def list(self, limit: int | None = None, *, purpose: str = "") -> AsyncIterator[fl.File]:
        """Files, newest first."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListFiles, fl.ListFilesRequest(page_token=token, purpose=purpose)
            ),
            lambda page: page.files,
            limit,
        )

    def read(self, file_id: str, *, timeout: float = TRANSFER_SECONDS) -> AsyncIterator[bytes]:
        """The bytes of a file in pieces."""
        return pieces(self._calls, self._stub.ReadFile, fl.ReadFileRequest(file_id=file_id), timeout)

    async def delete(self, file_id: str) -> None:
        """Deletes a file. A batch that was created from it goes on."""
        await self._calls.call(self._stub.DeleteFile, fl.DeleteFileRequest(file_id=file_id), repeatable=False)


class AsyncBatches:
    """Many requests in one file."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = BatchServiceStub(calls.channel)

    async def create(self, input_file_id: str, **options: Unpack[BatchOptions]) -> bt.Batch:
        """Starts a batch."""
        return (await self._calls.call(self._stub.CreateBatch, batch_request(input_file_id, options))).batch

    async def get(self, batch_id: str) -> bt.Batch:
        """One batch as it is now."""
        return (await self._calls.call(self._stub.GetBatch, bt.GetBatchRequest(batch_id=batch_id))).batch

    def list(self, limit: int | None = None) -> AsyncIterator[bt.Batch]:
        """Batches, newest first."""
        return self._calls.pages(
            lambda token: self._calls.call(self._stub.ListBatches, bt.ListBatchesRequest(page_token=token)),
            lambda page: page.batches,
            limit,
        )

    async def cancel(self, batch_id: str) -> bt.Batch:
        """Asks a batch to stop; what is done stays."""
        return (await self._calls.call(self._stub.CancelBatch, bt.CancelBatchRequest(batch_id=batch_id))).batch

    async def pause(self, batch_id: str) -> bt.Batch:
        """Begins no further line until the batch is resumed."""
        return (await self._calls.call(self._stub.PauseBatch, bt.PauseBatchRequest(batch_id=batch_id))).batch

    async def resume(self, batch_id: str) -> bt.Batch:
        """Goes on with a batch that was paused."""
        return (await self._calls.call(self._stub.ResumeBatch, bt.ResumeBatchRequest(batch_id=batch_id))).batch

    def results(self, batch_id: str, *, timeout: float = TRANSFER_SECONDS) -> AsyncIterator[bytes]:
        """The results that there are, of a batch that runs too: lines of JSON, in pieces of any length."""
        return pieces(self._calls, self._stub.ReadBatchResults, bt.ReadBatchResultsRequest(batch_id=batch_id), timeout)


async def pieces(calls: AsyncCalls, method: Callable[..., Any], request: Any, timeout: float) -> AsyncIterator[bytes]:
    """The bytes of a call that sends them in pieces. Raises OloError."""
    call = method(request, timeout=timeout)
    try:
        async for message in call:
            yield message.data
    except grpc.RpcError as error:
        raise calls.error(error) from error
    finally:
        call.cancel()
