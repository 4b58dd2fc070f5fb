"""BatchService over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import grpc

from olo.gateway.v1 import batch_service_pb2 as pb
from olo.gateway.v1.batch_service_pb2_grpc import BatchServiceServicer
from olo_common.durations import seconds_of
from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.batches.order import DEFAULT_WINDOW_SECONDS, BatchOrder
from olo_gateway.calls.batches import Batches

MAX_BATCHES_PER_PAGE: Final = 100
DEFAULT_BATCHES_PER_PAGE: Final = 20

Context = grpc.aio.ServicerContext[Any, Any]


class BatchServicer(BatchServiceServicer):
    """Translates calls and answers."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def CreateBatch(self, request: pb.CreateBatchRequest, context: Context) -> pb.CreateBatchResponse:
        """Starts a batch."""
        told = request.HasField("completion_window")
        kept = request.HasField("output_expires_after")
        order = BatchOrder(
            input_file_id=request.input_file_id,
            endpoint=request.endpoint,
            window=seconds_of(request.completion_window) if told else DEFAULT_WINDOW_SECONDS,
            metadata=dict(request.metadata),
            request_id=request.request_id,
            output_expires_after=seconds_of(request.output_expires_after) if kept else None,
        )
        return pb.CreateBatchResponse(batch=await self._batches.create(tenant(), order))

    async def GetBatch(self, request: pb.GetBatchRequest, context: Context) -> pb.GetBatchResponse:
        """Returns one batch."""
        return pb.GetBatchResponse(batch=await self._batches.get(tenant(), request.batch_id))

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Context) -> pb.ListBatchesResponse:
        """Lists batches, newest first."""
        if request.page_size > MAX_BATCHES_PER_PAGE:
            raise InvalidField("page_size", f"must be from 1 to {MAX_BATCHES_PER_PAGE}")
        size = request.page_size or DEFAULT_BATCHES_PER_PAGE
        found, more = await self._batches.list(tenant(), size, request.page_token)
        return pb.ListBatchesResponse(batches=found, next_page_token=found[-1].batch_id if more else "")

    async def CancelBatch(self, request: pb.CancelBatchRequest, context: Context) -> pb.CancelBatchResponse:
        """Asks a batch to stop."""
        return pb.CancelBatchResponse(batch=await self._batches.cancel(tenant(), request.batch_id))

    async def PauseBatch(self, request: pb.PauseBatchRequest, context: Context) -> pb.PauseBatchResponse:
        """Begins no further line."""
        return pb.PauseBatchResponse(batch=await self._batches.pause(tenant(), request.batch_id))

    async def ResumeBatch(self, request: pb.ResumeBatchRequest, context: Context) -> pb.ResumeBatchResponse:
        """Goes on with a batch."""
        return pb.ResumeBatchResponse(batch=await self._batches.resume(tenant(), request.batch_id))

    async def ReadBatchResults(
        self, request: pb.ReadBatchResultsRequest, context: Context
    ) -> AsyncGenerator[pb.ReadBatchResultsResponse, None]:
        """Sends the results that there are."""
        async with aclosing(self._batches.results(tenant(), request.batch_id)) as pieces:
            async for piece in pieces:
                yield pb.ReadBatchResultsResponse(data=piece)
