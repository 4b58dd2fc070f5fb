"""Uploads over gRPC that are refused while they are sent: who sends them learns why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from olo.gateway.v1 import file_service_pb2 as pb
from olo.gateway.v1.file_service_pb2_grpc import FileServiceStub, add_FileServiceServicer_to_server
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_gateway.access.keyring import Keyring
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.files.shelf import Shelf
from olo_gateway.rpc.file_servicer import FileServicer
from olo_gateway.rpc.guard import KeyInterceptor
from olo_gateway.settings import GatewaySettings

PIECES = 200
"""Far more bytes than what fits a connection that is not read."""


@pytest.mark.parametrize(
    ("purpose", "keys", "code"),
    [
        ("batch", Keyring(), grpc.StatusCode.UNAUTHENTICATED),
        ("none of them", None, grpc.StatusCode.INVALID_ARGUMENT),
        ("batch", None, grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=["without a key", "header", "too large"],
)
async def test_who_sends_a_file_that_is_refused_learns_why(
    tmp_path: Path, purpose: str, keys: Keyring | None, code: grpc.StatusCode
) -> None:
    servicer = FileServicer(Shelf(ObjectDirectory(tmp_path), max_bytes=1024))
    service = Registration(pb.DESCRIPTOR.services_by_name["FileService"], add_FileServiceServicer_to_server, servicer)
    sent = 0

    async def requests() -> AsyncIterator[pb.UploadFileRequest]:
        nonlocal sent
        yield pb.UploadFileRequest(header=pb.FileHeader(filename="a.jsonl", purpose=purpose))
        for _ in range(PIECES):
            yield pb.UploadFileRequest(data=b"x" * 65536)
            sent += 1

    guards = [] if keys is None else [KeyInterceptor(keys)]
    settings = GatewaySettings(port=0, http_port=0)
    async with grpc_server(settings, [service], Health([]), guards=guards) as address, channel(address) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await FileServiceStub(opened).UploadFile(requests(), timeout=60)
    assert (refused.value.code(), sent) == (code, PIECES)
