"""TransferService at the edge: the bytes of collections are passed on, in the caller's name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from olo.retrieval.v1 import transfer_service_pb2 as pb
from olo.retrieval.v1.transfer_service_pb2_grpc import TransferServiceServicer
from olo_common.errors import InvalidField
from olo_gateway.access.caller import tenant
from olo_gateway.ports import Transfers

Context = grpc.aio.ServicerContext[Any, Any]


class TransferServicer(TransferServiceServicer):
    """Passes calls on."""

    def __init__(self, collections: Transfers) -> None:
        self._collections = collections

    async def ExportCollection(
        self, request: pb.ExportCollectionRequest, context: Context
    ) -> AsyncGenerator[pb.ExportCollectionResponse, None]:
        """Sends a collection as a file."""
        leave_out = request.leave_out_vectors
        async with aclosing(self._collections.read(tenant(), request.name, leave_out_vectors=leave_out)) as file:
            async for piece in file:
                yield pb.ExportCollectionResponse(data=piece)

    async def ImportCollection(
        self, request_iterator: AsyncIterator[pb.ImportCollectionRequest], context: Context
    ) -> pb.ImportCollectionResponse:
        """Makes a collection of a file."""
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("header"):
            raise InvalidField("header", "must come first")
        content = (request.data async for request in request_iterator)
        return await self._collections.write(tenant(), first.header, content)
