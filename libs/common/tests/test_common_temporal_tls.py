"""Temporal with TLS: the development server speaks none, so that a proxy with certificates stands before it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from temporalio.service import RPCError

from olo_common.errors import StartupError
from olo_common.settings import TemporalSettings
from olo_common.temporal import reachable, temporal_client, tls_config
from olo_testing.certificates import Authority, Issued


@asynccontextmanager
async def proxy(issued: Issued, callers: Authority, behind: str) -> AsyncIterator[str]:
    """Ends TLS, asks for certificates, and passes bytes on; gives host and port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.load_verify_locations(callers.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    host, _, port = behind.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(host, int(port))
        for way in (passed_on(reader, here), passed_on(there, writer)):
            task = asyncio.create_task(way)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.integration
async def test_a_temporal_that_asks_for_certificates(temporal_address: str, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    theirs = authority.issue("caller")
    async with proxy(authority.issue("temporal.internal"), authority, temporal_address) as address:
        right = TemporalSettings(
            address=address,
            tls_server_ca_cert_path=authority.file,
            tls_client_cert_path=theirs.certificate,
            tls_client_key_path=theirs.key,
            tls_server_name="temporal.internal",
        )
        client = await temporal_client(right, "test")
        assert await client.count_workflows()
        for wrong in (
            {"tls_server_ca_cert_path": stranger.file},
            {"tls_client_cert_path": None, "tls_client_key_path": None},
            {"tls_server_name": "another.internal"},
        ):
            refused = await temporal_client(right.model_copy(update=wrong), "test")
            assert not await reachable(refused), wrong
            with pytest.raises((RPCError, RuntimeError)):
                await refused.count_workflows()


async def test_the_client_is_told_what_the_settings_say(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("caller")
    told = tls_config(
        TemporalSettings(
            tls_server_ca_cert_path=authority.file,
            tls_client_cert_path=issued.certificate,
            tls_client_key_path=issued.key,
            tls_server_name="there",
        )
    )
    assert not isinstance(told, bool)
    assert told.server_root_ca_cert == authority.file.read_bytes()
    assert told.client_cert == issued.certificate.read_bytes()
    assert told.client_private_key == issued.key.read_bytes()
    assert told.domain == "there"


async def test_an_api_key_means_tls_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cloud = {"address": "olo.a1b2c.tmprl.cloud:7233", "namespace": "olo.a1b2c", "api_key": SecretStr("k")}
    client = await temporal_client(TemporalSettings(**cloud), "test")  # type: ignore[arg-type]
    config = client.service_client.config
    assert (config.target_host, client.namespace) == ("olo.a1b2c.tmprl.cloud:7233", "olo.a1b2c")
    assert config.api_key == "k"
    assert config.tls
    assert tls_config(TemporalSettings()) is False
    assert tls_config(TemporalSettings(api_key=SecretStr("k"), tls=False)) is False
    assert tls_config(TemporalSettings(tls=True))
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("TEMPORAL_API_KEY_FILE", str(tmp_path / "key"))
    key = TemporalSettings().api_key
    assert key is not None
    assert key.get_secret_value() == "from a file"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tls_client_cert_path": "x"}, "TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"),
        ({"tls": False, "tls_server_ca_cert_path": "x"}, "TEMPORAL_TLS: is false"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TemporalSettings(**wrong)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"TEMPORAL_TLS_SERVER_CA_CERT_PATH: .* cannot be read"):
        await temporal_client(TemporalSettings(tls_server_ca_cert_path=tmp_path / "none"), "test")
