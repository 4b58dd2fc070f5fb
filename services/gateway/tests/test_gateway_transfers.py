"""Collections as files at the edge, where the retrieval service is away or breaks off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from fastapi import FastAPI

from olo.retrieval.v1 import transfer_service_pb2 as pb
from olo.retrieval.v1.transfer_service_pb2_grpc import (
    TransferServiceServicer,
    TransferServiceStub,
    add_TransferServiceServicer_to_server,
)
from olo_common.errors import InvalidField
from olo_common.grpc_client import channel
from olo_gateway.adapters.collection_files import CollectionFiles
from olo_gateway.http import errors
from olo_gateway.http.documents.transfers import transfer_routes
from olo_gateway.rpc.transfer_servicer import TransferServicer


class Breaking(TransferServiceServicer):
    """Sends a piece, or takes a header, and breaks off."""

    async def ExportCollection(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.ExportCollectionResponse(data=request.tenant.encode())
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async def ImportCollection(self, request_iterator: Any, context: Any) -> Any:
        async for _ in request_iterator:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@pytest.fixture
async def breaking() -> AsyncIterator[str]:
    server = grpc.aio.server()
    add_TransferServiceServicer_to_server(Breaking(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def http(stub: Any) -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(transfer_routes(CollectionFiles(stub)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gateway")


async def test_a_retrieval_service_that_is_away_is_said() -> None:
    async with channel("127.0.0.1:9") as away, http(TransferServiceStub(away)) as client:
        exported = await client.get("/v1/rag/export", params={"collection": "demo"})
        imported = await client.post("/v1/rag/import", content=b"x" * 3_000_000)
    assert (exported.status_code, imported.status_code) == (503, 503)


async def test_a_call_that_breaks_off_is_an_error_and_not_a_short_file(breaking: str) -> None:
    async with channel(breaking) as opened:
        servicer = TransferServicer(CollectionFiles(TransferServiceStub(opened)))
        server = grpc.aio.server()
        add_TransferServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with channel(f"127.0.0.1:{port}") as edge:
                call = TransferServiceStub(edge).ExportCollection(pb.ExportCollectionRequest(tenant="mine"))
                pieces = []
                with pytest.raises(grpc.aio.AioRpcError):
                    async for piece in call:
                        pieces.append(piece.data)
                assert pieces == [b"default"], "the tenant is set at the edge"
        finally:
            await server.stop(None)


async def test_a_file_without_a_header_is_refused(breaking: str) -> None:
    async def headless() -> AsyncIterator[pb.ImportCollectionRequest]:
        yield pb.ImportCollectionRequest(data=b"x")

    async with channel(breaking) as opened:
        servicer = TransferServicer(CollectionFiles(TransferServiceStub(opened)))
        with pytest.raises(InvalidField, match="must come first"):
            await servicer.ImportCollection(headless(), None)  # type: ignore[arg-type]
