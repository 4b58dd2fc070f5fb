"""TLS: files are checked, read anew when they change, and decide who is let in, on real gRPC servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from olo_common.errors import StartupError, Unavailable
from olo_common.grpc_client import call, channel
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.settings import ServiceSettings, TlsSettings, settings_config
from olo_common.tls import TlsFiles, client_files, server_files
from olo_testing.certificates import Authority, Issued

CHECK = health_pb2.HealthCheckRequest()
PATIENCE = 30.0


class ExampleSettings(ServiceSettings):
    """An example of a service."""

    model_config = settings_config("OLO_EXAMPLE_")

    port: int = 0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "stranger", "somebody else")


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olo_common.tls.LOOK_SECONDS", 0.0)


def serving(issued: Issued, callers: Authority | None = None) -> TlsSettings:
    return TlsSettings(
        cert_file=issued.certificate, key_file=issued.key, client_ca_file=callers.file if callers else None
    )


def calling(authority: Authority, issued: Issued | None = None, server_name: str = "") -> TlsSettings:
    return TlsSettings(
        ca_file=authority.file,
        client_cert_file=issued.certificate if issued else None,
        client_key_file=issued.key if issued else None,
        server_name=server_name,
    )


@asynccontextmanager
async def server(tls: TlsSettings) -> AsyncIterator[str]:
    async with grpc_server(ExampleSettings(tls=tls), [], Health()) as address:
        yield address


async def check(address: str, tls: TlsSettings | None) -> int:
    async with channel(address, tls) as opened:
        return await checked(opened)


async def checked(opened: grpc.aio.Channel) -> int:
    stub = health_pb2_grpc.HealthStub(opened)
    response = await call(stub.Check, CHECK, peer="the example", timeout=PATIENCE)
    return int(response.status)


async def refused(address: str, tls: TlsSettings | None) -> str:
    with pytest.raises(Exception) as caught:
        await check(address, tls)
    return str(caught.value)


async def test_who_shows_a_certificate_is_let_in(authority: Authority, stranger: Authority) -> None:
    mine, theirs = authority.issue(), authority.issue("caller")
    async with server(serving(mine, authority)) as address:
        assert await check(address, calling(authority, theirs)) == health_pb2.HealthCheckResponse.SERVING
        assert "the example" in await refused(address, calling(authority))
        assert "the example" in await refused(address, calling(authority, stranger.issue("caller")))
        assert "the example" in await refused(address, calling(stranger, theirs))
        assert "the example" in await refused(address, None)
