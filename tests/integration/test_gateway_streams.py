"""Streams that survive: two gateways on real Temporal and NATS, and a model that talks when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from tests.integration.gateway_world import key
from tests.integration.streaming_world import ANSWER, Shown, World, asked

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1.inference_service_pb2 import (
    ROLE_USER,
    ChatMessage,
)
from olo_client import AsyncOlo
from olo_common.grpc_client import call
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import nats_bus
from olo_common.nats_streams import StreamKeeper
from olo_common.rpc_status import from_rpc_error
from olo_common.settings import NatsSettings
from olo_contracts.streams import CHUNK_STREAM
from olo_contracts.subjects import stream_subject
from olo_gateway.app import running
from olo_llm_worker import app as worker_app
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.generation.engine import Batch, Listener
from olo_llm_worker.settings import LlmWorkerSettings
from olo_testing.ports import free_port
from olo_testing.servers import nats_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        built = World(stack, nats_url, temporal_address)
        await built.build()
        yield built


async def test_another_gateway_goes_on_with_the_next_character(world: World) -> None:
    async with world.model() as model:
        request, shown = asked(model, request_id=key()), Shown()
        first = world.here.ChatStream(gateway.ChatStreamRequest(request=request))
        await shown.read(first, "")
        await model.say(2)
        await shown.read(first, "The Nile ")
        first.cancel()
        # Said while nobody listens.
        await model.say(2)
        second = world.there.ChatStream(shown.rest(request=request))
        await shown.read(second, "The Nile flöws nörth, ")
        second.cancel()
        third = world.here.ChatStream(shown.rest(run_id=shown.run_id))
        await model.say(1)
        await shown.read(third, "The Nile flöws nörth, from ")
        model.end()
        await shown.read(third)
    assert shown.text == ANSWER
    assert shown.completed is not None
    assert shown.completed.message.content == ANSWER
    assert "reset" not in shown.kinds


async def test_after_the_run_the_stored_answer_is_given_from_any_place_on(world: World) -> None:
    async with world.model() as model:
        model.end()
        whole = Shown()
        await whole.read(world.here.ChatStream(gateway.ChatStreamRequest(request=asked(model))))
    for begin in ("", "The ", "The Nile flö", ANSWER):
        shown = Shown()
        request = gateway.ChatStreamRequest(run_id=whole.run_id, resume_offset=len(begin.encode()))
        shown.text = begin
        await shown.read(world.there.ChatStream(request))
        assert shown.text == ANSWER
        assert shown.completed == whole.completed
    for wrong in (len(ANSWER.encode()) + 1, len("The Nile flö".encode()) - 1, 2**63):
        request = gateway.ChatStreamRequest(run_id=whole.run_id, resume_offset=wrong)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Shown().read(world.there.ChatStream(request))
        error = from_rpc_error(caught.value, peer="gateway")
        assert (error.code.name, error.reason, error.field) == ("OUT_OF_RANGE", "offset_invalid", "resume_offset")


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (gateway.ChatStreamRequest(run_id="run-none"), "run_not_found", "run_id"),
        (gateway.ChatStreamRequest(run_id="run-x", request=ChatRequest(model="m")), "field_invalid", "run_id"),
        (
            gateway.ChatStreamRequest(
                request=ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="x")]), resume_offset=3
            ),
            "field_invalid",
            "resume_offset",
        ),
        (gateway.ChatStreamRequest(run_id="run-x", resume_checksum=3), "field_invalid", "resume_checksum"),
        (gateway.ChatStreamRequest(), "messages_missing", "messages"),
    ],
)
async def test_what_cannot_be_followed_is_refused(
    world: World, request_: gateway.ChatStreamRequest, reason: str, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await Shown().read(world.here.ChatStream(request_))
    error = from_rpc_error(caught.value, peer="gateway")
    assert (error.reason, error.field) == (reason, field)


async def test_the_sdk_shows_no_gap_and_nothing_twice_when_the_gateway_is_lost(world: World) -> None:
    port = free_port()
    async with world.model() as model, AsyncOlo(f"127.0.0.1:{port}", timeout=60) as olo:
        shown, reached = Shown(), asyncio.Condition()

        async def read() -> None:
            async for event in olo.chat_stream("Where?", model=model.model_id):
                shown.take(event)
                async with reached:
                    reached.notify_all()

        async def until(text: str) -> None:
            async with reached:
                await asyncio.wait_for(reached.wait_for(lambda: shown.text == text), 30)

        async with running(world.settings(port), Lifetime()):
            reading = asyncio.create_task(read())
            await model.say(2)
            await until("The Nile ")
        await model.say(2)
        async with running(world.settings(port), Lifetime()):
            await until("The Nile flöws nörth, ")
            model.end()
            await reading
    assert shown.text == ANSWER
    assert shown.kinds.count("started") == 1
    assert "reset" not in shown.kinds


@pytest.mark.parametrize("store", [False, True])
async def test_a_hang_up_cancels_the_run_unless_it_is_stored(world: World, store: bool) -> None:
    async with world.model() as model:
        shown = Shown()
        stream = world.here.ChatStream(gateway.ChatStreamRequest(request=asked(model, store=store)))
        await shown.read(stream, "")
        await model.say(1)
        stream.cancel()
        if not store:
            await asyncio.wait_for(model.cancelled.wait(), 20)
            return
        rest = Shown()
        model.end()
        await rest.read(world.there.ChatStream(gateway.ChatStreamRequest(run_id=shown.run_id)))
        assert rest.text == ANSWER


class EndlessEngine(FakeEngine):
    """Goes on with its first answer until it is told to stop; all further ones are short."""

    def __init__(self) -> None:
        super().__init__("The answer.")
        self.stopped = asyncio.Event()

    async def generate(self, batch: Batch, listener: Listener) -> None:
        if self.dispatched:
            await super().generate(batch, listener)
            return
        self.dispatched.append(batch)
        listener.began(cached=False)
        while not listener.tokens([(0, ord("x"), 0.0)]):
            await asyncio.sleep(0.01)
        self.stopped.set()


async def test_a_hang_up_stops_the_engine_of_the_real_worker_and_frees_its_slot(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = EndlessEngine()

    async def load(_: LlmWorkerSettings) -> EndlessEngine:
        return engine

    monkeypatch.setattr(worker_app, "_load", load)
    settings = LlmWorkerSettings(
        model_id=f"real-{key()[:8]}",
        model_directory=tmp_path,
        port=0,
        max_concurrency=1,
        grace_seconds=0.2,
        nats=world.nats,
        temporal=world.temporal,
    )
    request = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="x")], model=settings.model_id)
    request.sampling.max_tokens = 1000
    async with worker_app.running(settings, Lifetime()):
        stream = world.here.ChatStream(gateway.ChatStreamRequest(request=request))
        shown = Shown()
        while not shown.text:
            shown.take(await stream.read())
        stream.cancel()
        await asyncio.wait_for(engine.stopped.wait(), 20)
        answer = await call(world.here.Chat, request, peer="gateway", timeout=20)
    assert answer.message.content == "The answer."


async def test_without_jetstream_streams_are_live_and_the_result_closes_what_is_missing(
    temporal_address: str, tmp_path: Path
) -> None:
    with nats_server(tmp_path, jetstream=False) as url:
        async with AsyncExitStack() as stack:
            world = World(stack, url, temporal_address)
            await world.build()
            async with world.model() as model:
                request, shown = asked(model, request_id=key()), Shown()
                first = world.here.ChatStream(gateway.ChatStreamRequest(request=request))
                await shown.read(first, "")
                await model.say(2)
                await shown.read(first, "The Nile ")
                first.cancel()
                await model.say(1)
                second = world.there.ChatStream(shown.rest(request=request))
                await second.read()
                model.end()
                await shown.read(second)
            assert (shown.text, shown.kinds.count("reset")) == (ANSWER, 0)


async def test_what_is_kept_is_bounded_and_read_in_order(nats_url: str) -> None:
    async with nats_bus(NatsSettings(url=nats_url), "test") as bus:
        keeper = StreamKeeper(bus, CHUNK_STREAM)
        await bus.wait_connected()
        subject = stream_subject(key())
        async with asyncio.timeout(20):
            while not [payload async for payload in keeper.history(subject)]:
                await bus.publish(subject, b"first")
                await bus.flush()
        numbers = [b"%d" % number for number in range(1200)]
        for number in numbers:
            await bus.publish(subject, number)
        async with asyncio.timeout(20):
            while (kept := [payload async for payload in keeper.history(subject)])[-1] != numbers[-1]:
                pass
        assert [payload for payload in kept if payload != b"first"] == numbers
        config = (await bus.client.jetstream().stream_info(CHUNK_STREAM.name)).config
        assert (config.max_age, config.max_bytes, config.storage) == (300, 64 * 1024 * 1024, "memory")
        assert [payload async for payload in keeper.history("olo.stream.v1.nobody")] == []
