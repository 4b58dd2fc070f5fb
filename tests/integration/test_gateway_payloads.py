"""Prompts and answers that are too large for a history, on real Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.gateway_world import World, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call

pytestmark = pytest.mark.integration

LARGE = 600 * 1024


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "payloads"


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str, store: Path) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address, str(store)) as built:
        yield built


def files(store: Path) -> list[Path]:
    return [path for path in store.glob("*/*") if path.is_file()]


async def test_a_large_prompt_and_answer_go_by_reference(world: World, store: Path) -> None:
    answer = await world.chat("x" * LARGE)
    assert answer.message.content == f"one says: {'x' * LARGE} [1]"
    history = await world.client.get_workflow_handle(answer.run_id).fetch_history()
    assert sum(event.ByteSize() for event in history.events) < 64 * 1024
    assert files(store)


async def test_a_payload_that_is_gone_is_a_clear_error(world: World, store: Path) -> None:
    request_id = key()
    answer = await world.chat(f"be long {LARGE}", request_id=request_id)
    assert len(answer.message.content) > LARGE - 5
    for path in files(store):
        path.unlink()
    asked = gateway.GetRunRequest(run_id=answer.run_id)
    for again in (
        call(world.gateway.GetRun, asked, peer="gateway", timeout=5),
        world.chat(f"be long {LARGE}", request_id=request_id),
    ):
        with pytest.raises(OloError) as caught:
            await again
        assert (caught.value.code, caught.value.reason) == (ErrorCode.INTERNAL, "payload_missing")
    assert str(store) not in caught.value.message


async def test_a_large_request_is_replayed_as_long_as_it_is_stored(world: World, store: Path) -> None:
    original = await world.chat(f"{'x' * LARGE}\nand more")
    asked = gateway.ReplayRunRequest(run_id=original.run_id, model="two")
    replayed = await call(world.gateway.ReplayRun, asked, peer="gateway", timeout=20)
    assert replayed.original == original
    assert replayed.replay.message.content == "two says: and more [1]"
    assert replayed.replay.usage.prompt_tokens == original.usage.prompt_tokens
    for path in files(store):
        path.unlink()
    with pytest.raises(OloError) as caught:
        await call(world.gateway.ReplayRun, asked, peer="gateway", timeout=5)
    assert caught.value.reason == "payload_missing"


async def test_an_answer_that_cannot_be_stored_is_not_generated_again(world: World, store: Path) -> None:
    generated = sum(model.long for model in world.models.values())
    aside = store.rename(store.with_name("aside"))
    store.write_text("in the way")
    try:
        with pytest.raises(OloError) as caught:
            await world.chat(f"be long {LARGE}")
        with pytest.raises(OloError) as refused:
            await world.chat("x" * LARGE)
    finally:
        store.unlink()
        aside.rename(store)
    assert caught.value.reason == refused.value.reason == "payload_not_stored"
    assert sum(model.long for model in world.models.values()) == generated + 1
