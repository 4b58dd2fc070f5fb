"""HTTPS at the gateway: certificates of both sides, rotated while requests come."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from olo_common.lifecycle import Lifetime
from olo_common.settings import TlsSettings
from olo_common.tls import server_files
from olo_gateway.http.server import http_server
from olo_testing.certificates import Authority, Issued

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 0.0)


async def _scheme(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.scheme)


@asynccontextmanager
async def served(issued: Issued, callers: Path | None = None) -> AsyncIterator[int]:
    tls = TlsSettings(cert_file=issued.certificate, key_file=issued.key, client_ca_file=callers)
    app = Starlette(routes=[Route("/", _scheme)])
    files = server_files(tls)
    async with http_server(app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0, tls=files) as address:
        yield int(address.rpartition(":")[2])


def trusting(authority: Authority, issued: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if issued is not None:
        context.load_cert_chain(issued.certificate, issued.key)
    return context


async def get(port: int, context: ssl.SSLContext | None) -> str:
    """The last line of an answer; empty where the connection is closed without one."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return (await reader.read()).decode().rpartition("\r\n")[2]
        except (ssl.SSLError, ConnectionError):
            # With TLS 1.3 the refusal comes after what the client holds for the end of the handshake.
            return ""
        finally:
            writer.close()


async def test_https_is_served_and_known_as_such(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    async with served(authority.issue()) as port:
        assert await get(port, trusting(authority)) == "https"
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(port, trusting(stranger))
        assert await get(port, None) == ""


async def test_who_shows_no_certificate_is_not_served(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    async with served(authority.issue(), authority.file) as port:
        assert await get(port, trusting(authority, authority.issue("caller"))) == "https"
        for wrong in (trusting(authority), trusting(authority, stranger.issue("caller"))):
            assert await get(port, wrong) == ""


async def test_new_files_hold_for_new_connections(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    mine, callers = authority.issue(), tmp_path / "callers.pem"
    # Bundles tell whose certificates they hold, in any language.
    callers.write_bytes("# Főtanúsítvány\n".encode() + authority.file.read_bytes())
    async with served(mine, callers) as port:
        assert await get(port, trusting(authority, authority.issue("caller"))) == "https"
        callers.write_bytes(authority.file.read_bytes() + stranger.file.read_bytes())
        assert await get(port, trusting(authority, stranger.issue("caller"))) == "https"
        mine.replace(stranger.issue())
        assert await get(port, trusting(stranger, authority.issue("caller"))) == "https"
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(port, trusting(authority, authority.issue("caller")))
        mine.key.write_bytes(b"no key")
        assert await get(port, trusting(stranger, stranger.issue("caller"))) == "https"
