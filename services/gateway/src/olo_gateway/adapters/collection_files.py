"""Collections as files, to and from the retrieval service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable
from typing import TYPE_CHECKING, Final

import grpc

from olo.retrieval.v1 import transfer_service_pb2 as pb
from olo_common.rpc_status import from_rpc_error

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.retrieval.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub

_PEER: Final = "the retrieval service"
_SECONDS: Final = 3600.0
"""How long the transfer of a collection may take."""


class CollectionFiles:
    """Passes bytes on as they come, in the name of one tenant."""

    def __init__(self, stub: TransferServiceAsyncStub) -> None:
        self._stub = stub

    async def read(self, tenant: str, name: str, *, leave_out_vectors: bool) -> AsyncGenerator[bytes, None]:
        """The file of a collection in pieces. Raises what the retrieval service says."""
        request = pb.ExportCollectionRequest(name=name, tenant=tenant, leave_out_vectors=leave_out_vectors)
        call = self._stub.ExportCollection(request, timeout=_SECONDS)
        try:
            async for piece in call:
                yield piece.data
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, peer=_PEER) from error
        finally:
            call.cancel()

    async def write(
        self, tenant: str, header: pb.ImportHeader, content: AsyncIterable[bytes]
    ) -> pb.ImportCollectionResponse:
        """Makes a collection of a file. Raises what the retrieval service says; then there is no collection."""
        header.tenant = tenant
        call: grpc.aio.StreamUnaryCall[pb.ImportCollectionRequest, pb.ImportCollectionResponse]
        call = self._stub.ImportCollection(timeout=_SECONDS)
        try:
            # Where the call has ended already, awaiting it says why.
            with contextlib.suppress(asyncio.InvalidStateError):
                await call.write(pb.ImportCollectionRequest(header=header))
                async for piece in content:
                    await call.write(pb.ImportCollectionRequest(data=piece))
                await call.done_writing()
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, peer=_PEER) from error
        finally:
            call.cancel()
