from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import upstream_stub as stubs
from upstream_engines import KEY, upstream

from olo_llm_worker.adapters.child_engine import ChildEngine, Placement, start_engine
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.conversion import convert
from olo_llm_worker.responses import Identity
from olo_llm_worker.upstream.adapters.anthropic import AnthropicEngine
from olo_llm_worker.upstream.adapters.openai import OpenAIEngine
from olo_testing.checkpoints import random_checkpoint


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return Path(__file__).parents[3] / "models/demo/checkpoint"


@pytest.fixture(scope="session")
def demo_directory(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelDirectory:
    target = tmp_path_factory.mktemp("models") / "olo-demo"
    return convert(checkpoint, target, quantization="int8", name="olo-demo", license_name="Apache-2.0")


@pytest_asyncio.fixture(scope="session")
async def demo_engine(demo_directory: ModelDirectory) -> AsyncIterator[ChildEngine]:
    engine = await start_engine(demo_directory, Placement(replicas=2))
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def random_directory(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelDirectory:
    """A model that says anything: random weights, and the vocabulary of the demo model."""
    home = tmp_path_factory.mktemp("random")
    source = random_checkpoint(home / "checkpoint", checkpoint, hidden=64, layers=2, heads=2, inner=128)
    return convert(source, home / "model", quantization="float32", name="random")


@pytest_asyncio.fixture(scope="module")
async def random_engine(random_directory: ModelDirectory) -> AsyncIterator[ChildEngine]:
    engine = await start_engine(random_directory, Placement(replicas=2))
    yield engine
    await engine.close()


@pytest.fixture
def identity() -> Identity:
    return Identity("olo-demo", "Demo", "host-1", "llm.olo-demo", 2)


@pytest_asyncio.fixture
async def schedule() -> AsyncIterator[Callable[..., Scheduler]]:
    """Makes schedulers that come to rest after the test."""
    async with AsyncExitStack() as stack:

        def make(engine: Any, *, max_concurrency: int = 1, max_queue: int = 4, **policy: Any) -> Scheduler:
            scheduler = Scheduler(engine, Policy(max_concurrency, max_queue, **policy))
            stack.push_async_callback(scheduler.close)
            if isinstance(engine, FakeEngine):
                # A stepwise engine must not wait for permits when the test is over: callbacks run in reverse order.
                stack.callback(engine.permit, 100_000)
            return scheduler

        yield make


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Any]:
    async with stubs.stub_server() as running:
        yield running


@pytest_asyncio.fixture
async def openai(stub: Any) -> AsyncIterator[OpenAIEngine]:
    there = upstream(f"{stub.url}/v1", authorization=f"Bearer {KEY}")
    engine = OpenAIEngine(there, model="m", context_limit=1000)
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def anthropic(stub: Any) -> AsyncIterator[AnthropicEngine]:
    engine = AnthropicEngine(upstream(stub.url, **{"x-api-key": KEY}), model="m", context_limit=1000)
    yield engine
    await engine.close()
