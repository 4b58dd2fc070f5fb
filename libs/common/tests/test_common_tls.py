"""TLS: files are checked, read anew when they change, and decide who is let in, on real gRPC servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from olo_common.certificates import Named
from olo_common.errors import RemoteError, StartupError
from olo_common.grpc_client import call, channel
from olo_common.grpc_server import grpc_server
from olo_common.grpc_tls import TlsChannel
from olo_common.health import Health
from olo_common.occasional_log import OccasionalWarning
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
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 0.0)


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


async def test_who_shows_a_certificate_is_let_in(authority: Authority, stranger: Authority) -> None:
    mine, theirs = authority.issue(), authority.issue("caller")
    async with server(serving(mine, authority)) as address:
        assert await check(address, calling(authority, theirs)) == health_pb2.HealthCheckResponse.SERVING
        for wrong in (
            calling(authority),
            calling(authority, stranger.issue("caller")),
            calling(stranger, theirs),
            None,
        ):
            with pytest.raises(RemoteError, match="the example is not reachable"):
                await check(address, wrong)


async def test_without_authorities_of_callers_everybody_is_let_in(authority: Authority, stranger: Authority) -> None:
    async with server(serving(authority.issue())) as address:
        for right in (calling(authority), calling(authority, stranger.issue("caller"))):
            assert await check(address, right) == health_pb2.HealthCheckResponse.SERVING


async def test_the_name_in_the_certificate_counts(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    # It tells once in a while, and a test before may have made it tell.
    warning = OccasionalWarning("tls_handshake_failed")
    monkeypatch.setattr("olo_common.grpc_client._handshake_failed", warning)
    async with server(serving(authority.issue("olo.internal"))) as address:
        assert await check(address, calling(authority, server_name="olo.internal"))
        with capture_logs() as logs, pytest.raises(RemoteError):
            await check(address, calling(authority))
    (told,) = [line for line in logs if line["event"] == "tls_handshake_failed"]
    assert "OLO_TLS_SERVER_NAME" in told["problem"]


async def test_reflection_and_health_are_served_over_the_same_connection(authority: Authority) -> None:
    tls = calling(authority, authority.issue("caller"))
    async with server(serving(authority.issue(), authority)) as address, channel(address, tls) as opened:
        stub = reflection_pb2_grpc.ServerReflectionStub(opened)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stream = stub.ServerReflectionInfo(iter([asked]), timeout=PATIENCE)
        response = await stream.read()
        assert "grpc.health.v1.Health" in [each.name for each in response.list_services_response.service]
        stream.cancel()


async def test_certificates_and_authorities_are_rotated_while_calls_run(
    authority: Authority, stranger: Authority
) -> None:
    """By the book: first everybody trusts both authorities, then certificates change, then the old trust ends."""
    mine, theirs = authority.issue(), authority.issue("caller")
    old = calling(authority, authority.issue("caller"))
    trust = authority.file.with_name("trust.pem")
    trust.write_bytes(authority.file.read_bytes())
    serving_side = serving(mine).model_copy(update={"client_ca_file": trust})
    calling_side = calling(authority, theirs).model_copy(update={"ca_file": trust})
    both = authority.file.read_bytes() + stranger.file.read_bytes()
    made = 0

    async def calls(opened: grpc.aio.Channel, others: asyncio.Event) -> None:
        nonlocal made
        while not others.is_set():
            await checked(opened)
            made += 1

    async def more() -> None:
        before = made
        async with asyncio.timeout(PATIENCE):
            while made < before + 20:
                if failed := [task for task in running if task.done()]:
                    await asyncio.gather(*failed)
                await asyncio.sleep(0.01)

    async with server(serving_side) as address, channel(address, calling_side) as opened:
        stream = health_pb2_grpc.HealthStub(opened).Watch(CHECK, timeout=PATIENCE * 4)
        assert (await stream.read()).status == health_pb2.HealthCheckResponse.SERVING
        enough = asyncio.Event()
        running = [asyncio.create_task(calls(opened, enough)) for _ in range(3)]
        await more()
        for step in (
            lambda: trust.write_bytes(both),
            lambda: mine.replace(stranger.issue()),
            lambda: theirs.replace(stranger.issue("caller")),
            lambda: trust.write_bytes(stranger.file.read_bytes()),
        ):
            step()
            await more()
            # Other connections, so that the server has to look at its files.
            assert await check(address, calling_side)
        enough.set()
        await asyncio.gather(*running)
        with pytest.raises(RemoteError):
            await check(address, old)
        # What was open before goes on, and its connection is closed only then.
        assert isinstance(opened, TlsChannel)
        assert opened._retired
        assert not stream.done()
        stream.cancel()
        async with asyncio.timeout(PATIENCE):
            while opened._retired or opened._closing:
                await asyncio.sleep(0.01)


async def test_a_channel_that_is_closed_ends_what_was_retired_too(authority: Authority) -> None:
    theirs = authority.issue("caller")
    async with server(serving(authority.issue(), authority)) as address:
        async with channel(address, calling(authority, theirs)) as opened:
            stream = health_pb2_grpc.HealthStub(opened).Watch(CHECK, timeout=PATIENCE)
            await stream.read()
            theirs.replace(authority.issue("caller"))
            assert await checked(opened)
        with pytest.raises(asyncio.CancelledError):
            await stream.read()


async def test_servers_go_on_with_the_old_files_where_the_new_ones_make_no_sense(
    authority: Authority, stranger: Authority
) -> None:
    mine = authority.issue()
    async with server(serving(mine)) as address:
        with capture_logs() as logs:
            mine.certificate.write_bytes(stranger.issue().certificate.read_bytes())
            assert await check(address, calling(authority))
            mine.key.unlink()
            assert await check(address, calling(authority))
            assert await check(address, calling(authority))
        told = [line["problem"] for line in logs if line["event"] == "tls_files_refused"]
        assert len(told) == 2
        assert "OLO_TLS_KEY_FILE" in told[0]
        assert "cannot be read" in told[1]
        mine.key.write_bytes(b"")
        mine.replace(stranger.issue())
        assert await check(address, calling(stranger))


class Passing(grpc.aio.UnaryUnaryClientInterceptor):
    """Does nothing, as the interceptor of traces does to a call."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(client_call_details, request)


@pytest.mark.parametrize("interceptors", [[], [Passing()]], ids=["plain", "traced"])
async def test_a_call_is_counted_until_it_ends_however_it_ends(
    authority: Authority, interceptors: list[grpc.aio.ClientInterceptor]
) -> None:
    async with server(serving(authority.issue())) as address:
        files = client_files(calling(authority))
        assert files is not None

        def secure(credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
            return grpc.aio.secure_channel(address, credentials, interceptors=interceptors)

        async with TlsChannel(files, secure) as opened:
            stub, inner = health_pb2_grpc.HealthStub(opened), opened.now()
            await stub.Check(CHECK, timeout=PATIENCE)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=PATIENCE)
            cancelled = stub.Check(CHECK, timeout=PATIENCE)
            assert inner.calls >= 1
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            async with asyncio.timeout(PATIENCE):
                while inner.calls:
                    await asyncio.sleep(0.01)


def _expired(authority: Authority) -> Issued:
    return authority.issue(begins=-timedelta(days=2), ends=-timedelta(days=1))


def _early(authority: Authority) -> Issued:
    return authority.issue(begins=timedelta(hours=1))


def _other_key(authority: Authority) -> Issued:
    return Issued(authority.issue().certificate, authority.issue().key)


def _missing(authority: Authority) -> Issued:
    return Issued(Path("/no/such/certificate.pem"), authority.issue().key)


def _folder(authority: Authority) -> Issued:
    return Issued(authority.issue().certificate, authority.file.parent)


def _no_certificate(authority: Authority) -> Issued:
    return Issued(authority.issue().key, authority.issue().key)


def _no_key(authority: Authority) -> Issued:
    return Issued(authority.issue().certificate, authority.issue().certificate)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_expired, "OLO_TLS_CERT_FILE: .* is expired since"),
        (_early, "OLO_TLS_CERT_FILE: .* is not valid before"),
        (_other_key, "OLO_TLS_KEY_FILE: the key in .* is not that of"),
        (_missing, "OLO_TLS_CERT_FILE: .* cannot be read: No such file"),
        (_folder, "OLO_TLS_KEY_FILE: .* cannot be read: Is a directory"),
        (_no_certificate, "OLO_TLS_CERT_FILE: .* holds no certificate in PEM"),
        (_no_key, "OLO_TLS_KEY_FILE: .* holds no private key in PEM"),
    ],
)
async def test_files_that_cannot_be_used_are_named_at_start(authority: Authority, make: Any, told: str) -> None:
    with pytest.raises(StartupError, match=told):
        async with server(serving(make(authority))):
            pass


def test_authorities_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    with pytest.raises(StartupError, match=r"OLO_TLS_CA_FILE: .* holds no certificate"):
        client_files(TlsSettings(ca_file=empty))
    expired = Authority(tmp_path / "past", ends=-timedelta(days=1)).file
    with pytest.raises(StartupError, match=r"OLO_TLS_CLIENT_CA_FILE: every certificate in .* is expired"):
        server_files(serving(authority.issue()).model_copy(update={"client_ca_file": expired}))


def test_an_encrypted_key_is_named(authority: Authority) -> None:
    issued = authority.issue()
    key = load_pem_private_key(issued.key.read_bytes(), None)
    issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    with pytest.raises(StartupError, match=r"OLO_TLS_KEY_FILE: .* is encrypted"):
        server_files(serving(issued))


def test_files_are_looked_at_once_a_second(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 1.0)
    now, issued = [100.0], authority.issue()
    files = TlsFiles(
        "server",
        certificate=Named("OLO_TLS_CERT_FILE", issued.certificate),
        key=Named("OLO_TLS_KEY_FILE", issued.key),
        clock=lambda: now[0],
    )
    first = files.current()
    issued.replace(authority.issue())
    now[0] += 0.5
    assert files.current() is first
    now[0] += 0.5
    second = files.current()
    assert second.certificate != first.certificate
    now[0] += 5
    assert files.current() is second


@given(data=st.binary(max_size=200))
def test_no_content_of_the_files_raises_anything_else(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        for name in ("cert.pem", "key.pem"):
            (Path(folder) / name).write_bytes(data)
        tls = TlsSettings(cert_file=Path(folder) / "cert.pem", key_file=Path(folder) / "key.pem")
        with pytest.raises(StartupError, match="OLO_TLS_CERT_FILE"):
            server_files(tls)
