"""A request that kills the real engine is refused, and those that were with it are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.integration.gateway_world import World, asked, worlds
from tests.integration.test_llm_worker_temporal import make_settings

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_common.lifecycle import Lifetime
from olo_llm_worker.adapters import engine_line
from olo_llm_worker.adapters.model_text import ModelText
from olo_llm_worker.app import running
from olo_llm_worker.generation.types import Message
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.conversion import convert

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

POISON = "When was the zeppelin opened?"
BYSTANDERS = 5


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> ModelDirectory:
    checkpoint = Path(__file__).parents[2] / "models/demo/checkpoint"
    return convert(checkpoint, tmp_path_factory.mktemp("llm") / "model", quantization="int8", name="olo-demo")


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


def asking(number: int) -> str:
    return f"When was bridge number {number} opened?"


def marked_token(text: ModelText) -> int:
    """A token of the poisonous prompt alone."""
    others = {token for n in range(BYSTANDERS) for token in text.tokenize([Message("user", asking(n))])}
    return next(token for token in text.tokenize([Message("user", POISON)]) if token not in others)


async def test_only_the_request_that_kills_engines_is_refused(
    world: World, directory: ModelDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = tmp_path / "deaths"
    monkeypatch.setattr(engine_line, "_PROCESS", "tests.integration.mortal_engine")
    monkeypatch.setenv("MORTAL_TOKEN", str(marked_token(ModelText(directory))))
    monkeypatch.setenv("MORTAL_DEATHS", str(deaths))
    settings = make_settings(directory.path, world.settings.nats.url, world.settings.temporal.address)

    async def chat(said: str) -> ChatResponse:
        # On a busy machine engines take their time to come back.
        wait, timeout = Duration(seconds=60), Duration(seconds=80)
        request = asked(said, model=settings.model_id, timeout=timeout, wait_for_model=wait)
        response: ChatResponse = await call(world.gateway.Chat, request, peer="gateway", timeout=90)
        return response

    async with AsyncExitStack() as stack:
        for number in range(2):
            mine = settings.model_copy(update={"instance_id": f"{settings.model_id}-{number}"})
            await stack.enter_async_context(running(mine, Lifetime()))
        bystanders = [asyncio.create_task(chat(asking(number))) for number in range(BYSTANDERS)]
        with pytest.raises(OloError) as refused:
            await chat(POISON)
        assert refused.value.reason == "request_poisoned"
        answers = await asyncio.gather(*bystanders)
        assert all(answer.message.content for answer in answers)
        # A third where the machine is so busy that the first try is given up before it has killed.
        assert 2 <= len(deaths.read_text()) <= 3
        assert (await chat(asking(0))).message.content
