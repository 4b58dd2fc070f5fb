"""Uploads that are refused: their callers learn why, whatever they still send, and nobody is read for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from olo_common.errors import InvalidField
from olo_common.grpc_client import channel
from olo_common.grpc_draining import Draining, drain
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.settings import ServiceSettings, settings_config

PIECE = BytesValue(value=b"x" * 65536)


class ExampleSettings(ServiceSettings):
    """An example of a service."""

    model_config = settings_config("OLO_EXAMPLE_")

    port: int = 0


async def refuse(requests: AsyncIterator[BytesValue], context: Any) -> StringValue:
    await anext(requests)
    raise InvalidField("header", "is wrong")


def add(_: Any, server: grpc.aio.Server) -> None:
    handler = grpc.stream_unary_rpc_method_handler(
        refuse, request_deserializer=BytesValue.FromString, response_serializer=StringValue.SerializeToString
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("olo.Example", {"Upload": handler})])


@pytest.fixture
async def upload() -> AsyncIterator[Any]:
    """The method of a server that refuses each upload after its first message."""
    service = Registration(SimpleNamespace(full_name="olo.Example"), add, None)  # type: ignore[arg-type]
    async with grpc_server(ExampleSettings(), [service], Health([])) as address, channel(address) as opened:
        yield opened.stream_unary(
            "/olo.Example/Upload",
            request_serializer=BytesValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )


async def test_who_sends_on_learns_why_the_upload_is_refused(upload: Any) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[BytesValue]:
        nonlocal sent
        # Far more than what fits the connection: an end in the midst of it breaks a write.
        for _ in range(256):
            yield PIECE
            sent += 1

    for _ in range(3):
        sent = 0
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await upload(pieces(), timeout=60)
        assert (refused.value.code(), refused.value.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "header: is wrong",
        )
        assert sent == 256


async def test_who_falls_silent_is_told_without_an_end_of_its_own(upload: Any) -> None:
    call = upload(timeout=60)
    await call.write(PIECE)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Endless:
    """Requests that never end; each is there at once."""

    def __init__(self) -> None:
        self.read = 0

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> bytes:
        self.read += 1
        await asyncio.sleep(0)
        return b"x" * 1000


@pytest.mark.parametrize("limits", [Draining(max_bytes=10_000), Draining(max_bytes=2**62, seconds=0.05)])
async def test_nobody_is_read_for_ever(limits: Draining) -> None:
    requests = Endless()
    await asyncio.wait_for(drain(requests, limits), 60)
    assert requests.read >= 1
    assert limits.seconds < 1 or requests.read == 10


async def test_requests_that_cannot_be_read_change_nothing() -> None:
    class Broken(Endless):
        async def __anext__(self) -> bytes:
            raise RuntimeError

    await drain(Broken())
