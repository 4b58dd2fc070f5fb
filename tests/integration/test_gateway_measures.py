"""Each run is measured once, when it has ended, and by how: on a real Temporal, with workers that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.integration.gateway_world import World, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_gateway import workers
from olo_gateway.workflows import chat
from olo_gateway.workflows.measuring import CANCELLED, COMPLETED, FAILED, REJECTED, measure
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

Measured = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    """Run, outcome and reason of what is measured."""
    found: Measured = []

    def noted(told: ChatResponse, outcome: str, reason: str = "", *, tenant: str) -> None:
        measure(told, outcome, reason, tenant=tenant)
        found.append((told.run_id, outcome, reason))

    monkeypatch.setattr(chat, "measure", noted)
    yield found


async def test_runs_end_completed_failed_or_rejected(world: World, measured: Measured) -> None:
    answer = await world.chat("hello")
    assert measured == [(answer.run_id, COMPLETED, "")]
    for model, outcome, reason in (("gone", FAILED, "no_model_available"), ("missing", REJECTED, "model_not_found")):
        request_id = key()
        with pytest.raises(OloError):
            await world.chat("hello", model=model, request_id=request_id)
        assert measured[-1] == (f"run-{request_id}", outcome, reason)
    assert len(measured) == 3


async def test_a_run_that_leaves_its_worker_is_measured_at_its_end_alone(
    world: World, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MAX_CACHED_WORKFLOWS", 1)
    await world.inner.aclose()
    await world.enter()
    run_id = f"run-{(request_id := key())}"
    waiting = asyncio.create_task(world.chat("wait", request_id=request_id))
    await world.models["one"].begun.setdefault(run_id, asyncio.Event()).wait()
    # Each of these takes the one place in the cache: the code of the run that waits is torn down, as by a cancellation.
    answers = [await world.chat("hello") for _ in range(3)]
    assert measured == [(answer.run_id, COMPLETED, "") for answer in answers]
    await call(world.gateway.CancelRun, gateway.CancelRunRequest(run_id=run_id), peer="gateway", timeout=20)
    with pytest.raises(OloError):
        await waiting

    async def ended() -> bool:
        return len(measured) > len(answers)

    await until(ended)
    assert measured[len(answers) :] == [(run_id, CANCELLED, "")]
