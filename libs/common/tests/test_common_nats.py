"""The bus, against a real server that comes, goes and comes again."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from olo_common import journal as journals
from olo_common import nats_streams
from olo_common.journal import Journal
from olo_common.nats_bus import nats_bus
from olo_common.nats_client import NatsClient
from olo_common.nats_streams import StreamKeeper
from olo_common.settings import NatsSettings
from olo_testing.ports import free_port
from olo_testing.servers import nats_server

pytestmark = pytest.mark.integration


async def test_the_server_may_come_later_and_go_in_between(tmp_path: Path) -> None:
    port = free_port()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    connects: asyncio.Queue[None] = asyncio.Queue()

    async def handle(_: str, payload: bytes) -> None:
        heard.put_nowait(payload)

    async def connected() -> None:
        connects.put_nowait(None)

    async with nats_bus(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test") as bus:
        bus.on_connect(connected)
        await bus.subscribe("a.*", handle)
        assert not await bus.publish("a.b", b"nobody is there")
        for life in (b"first", b"second"):
            with nats_server(tmp_path, port):
                await asyncio.wait_for(connects.get(), 10)
                assert await bus.publish("a.b", life)
                assert await asyncio.wait_for(heard.get(), 5) == life
    assert heard.empty()


async def test_a_process_that_sends_its_log_ends_where_the_server_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals._Current, "journal", Journal("tested"))
    port = free_port()
    async with asyncio.timeout(60), nats_bus(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test") as bus:
        with nats_server(tmp_path, port):
            while not bus.connected:
                await asyncio.sleep(0.01)


async def test_it_ends_also_where_the_client_does_not_hear_that_it_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    trying = asyncio.Event()

    async def deaf(*_: Any, **__: Any) -> None:
        trying.set()
        # As wait_for does where the attempt fails just then; the client tries again.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr(NatsClient, "connect_as_told", deaf)
    async with asyncio.timeout(30), nats_bus(NatsSettings(url="nats://127.0.0.1:1"), "test"):
        await trying.wait()


async def test_what_ends_the_client_ends_nobody_else(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(_: NatsClient) -> None:
        # As where a task of the client that awaits the same is cancelled.
        raise asyncio.CancelledError

    async with nats_bus(NatsSettings(url=nats_url), "test") as bus:
        await bus._connected.wait()
        inner = bus._client
        monkeypatch.setattr(NatsClient, "close", cancelled)
    monkeypatch.undo()
    await inner.close()


async def test_a_handler_that_raises_loses_that_message_alone(nats_url: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(_: str, payload: bytes) -> None:
        if payload == b"bad":
            raise ValueError(payload)
        heard.put_nowait(payload)

    async with nats_bus(NatsSettings(url=nats_url), "test") as bus:
        await asyncio.wait_for(bus.wait_connected(), 5)
        await bus.subscribe("raising.*", handle)
        for payload in (b"bad", b"good"):
            await bus.publish("raising.x", payload)
        assert await asyncio.wait_for(heard.get(), 5) == b"good"


async def test_a_closed_subscription_hears_nothing(nats_url: str) -> None:
    first: asyncio.Queue[bytes] = asyncio.Queue()
    second: asyncio.Queue[bytes] = asyncio.Queue()

    async def to_first(_: str, payload: bytes) -> None:
        first.put_nowait(payload)

    async def to_second(_: str, payload: bytes) -> None:
        second.put_nowait(payload)

    async with nats_bus(NatsSettings(url=nats_url), "test") as bus:
        await asyncio.wait_for(bus.wait_connected(), 5)
        subscription = await bus.subscribe("closing.x", to_first)
        await subscription.close()
        await bus.subscribe("closing.x", to_second)
        await bus.publish("closing.x", b"1")
        assert await asyncio.wait_for(second.get(), 5) == b"1"
        assert first.empty()


@dataclass(frozen=True)
class Kept:
    name: str = "TEST"
    pattern: str = "kept.*"
    seconds: float = 300
    max_bytes: int = 1024 * 1024


async def test_what_was_published_is_known_later_also_after_a_restart(tmp_path: Path) -> None:
    port = free_port()
    async with nats_bus(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test") as bus:
        keeper = StreamKeeper(bus, Kept())
        assert [payload async for payload in keeper.history("kept.a")] == []
        for _ in range(2):
            with nats_server(tmp_path, port):
                async with asyncio.timeout(20):
                    while not (kept := [payload async for payload in keeper.history("kept.a")]):
                        await bus.publish("kept.a", b"said")
                        await bus.publish("kept.b", b"of another")
                        await asyncio.sleep(0.01)
                assert set(kept) == {b"said"}


async def test_a_server_that_keeps_nothing_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_streams, "_PAUSE_SECONDS", 0.01)
    port = free_port()
    with capture_logs() as logs:
        async with nats_bus(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test") as bus:
            keeper = StreamKeeper(bus, Kept())
            for life in range(2):
                with nats_server(tmp_path, port, jetstream=False):
                    async with asyncio.timeout(20):
                        while not bus.connected:
                            await asyncio.sleep(0.01)
                        assert [payload async for payload in keeper.history("kept.a")] == []
                        while life == 0 and not [log for log in logs if log["event"] == "nats_stream_not_kept"]:
                            await asyncio.sleep(0.05)
            assert keeper._making is not None
            await keeper._making
    assert [log["stream"] for log in logs if log["event"] == "nats_stream_not_kept"] == ["TEST"]
