"""Requests that are mirrored to a shadow, on real Temporal and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.worker import Worker
from tests.integration.gateway_peers import FakeModel
from tests.integration.gateway_world import World, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatResponse, Run, ShadowRun
from olo.router.v1.router_service_pb2 import Shadow
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_contracts.queues import llm_queue
from olo_gateway.activities import shadow as shadow_activities
from olo_gateway.workflows import shadow
from olo_testing.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        built.router.shadow = Shadow(model_id="two", task_queue=llm_queue("two"))
        yield built


async def shown(world: World, response: ChatResponse, holds: Callable[[Run], bool]) -> Run:
    """The run, once it is as expected."""
    found = [Run()]

    async def reached() -> bool:
        request = gateway.GetRunRequest(run_id=response.run_id)
        found[0] = (await call(world.gateway.GetRun, request, peer="gateway", timeout=5)).run
        return holds(found[0])

    await until(reached)
    return found[0]


def compared(run: Run) -> bool:
    return run.shadow.state in (run_pb2.RUN_STATE_COMPLETED, run_pb2.RUN_STATE_FAILED)


async def test_a_mirrored_request_is_compared_and_the_shadow_does_not_answer(world: World) -> None:
    answer = await world.chat("hello")
    assert answer.message.content.startswith("one says")
    assert answer.selection.shadow.model_id == "two"
    run = await shown(world, answer, compared)
    assert run.response == answer
    told = run.shadow
    assert (told.answer.text, told.answer.duration) == (answer.message.content, answer.attempts[0].duration)
    assert (told.shadow.model_id, told.shadow.text) == ("two", "two says: hello [1]")
    assert told.shadow.usage.completion_tokens == 2
    assert told.shadow.duration.ToTimedelta() > timedelta()
    assert not told.comparison.equal
    assert 0.5 < told.comparison.similarity < 1
    assert told.comparison.answer_characters == told.comparison.shadow_characters == 19
    await world.record("mirrored", answer.run_id)
    await world.record("shadow", f"shadow-{answer.run_id}")


async def test_models_that_agree_are_told_so(world: World) -> None:
    run = await shown(world, await world.chat("agree"), compared)
    assert run.shadow.comparison.equal
    assert run.shadow.comparison.similarity == 1


async def test_an_answer_does_not_wait_for_a_shadow_that_hangs(world: World) -> None:
    answer = await world.chat("two: wait", timeout=Duration(seconds=20))
    assert answer.message.content.startswith("one says")
    shadow_id = f"shadow-{answer.run_id}"

    async def begun() -> bool:
        return shadow_id in world.models["two"].begun

    await until(begun)
    run = await shown(world, answer, lambda run: run.shadow.state == run_pb2.RUN_STATE_RUNNING)
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    handle = world.client.get_workflow_handle(shadow_id)
    described = await handle.describe()
    assert described.raw_description.workflow_execution_info.priority.priority_key == 5
    await handle.cancel()
    run = await shown(world, answer, lambda run: run.shadow.state == run_pb2.RUN_STATE_CANCELLED)
    assert run.response == answer
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_a_shadow_waits_for_the_end_of_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_activities, "_WAIT_SECONDS", 0.01)
    request_id = key()
    model_id, shadow_id = f"absent-{request_id}", f"shadow-run-{request_id}"
    chat = world.chat("hello", model=model_id, request_id=request_id, timeout=Duration(seconds=20))
    answering = asyncio.create_task(chat)

    async def looking() -> bool:
        try:
            history = await world.client.get_workflow_handle(shadow_id).fetch_history()
        except RPCError:
            return False
        return any(event.HasField("timer_started_event_attributes") for event in history.events)

    await until(looking)
    late = FakeModel(model_id, world.bus)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[late.generate]):
        run = await shown(world, await answering, compared)
    assert run.shadow.answer.model_id == model_id
    assert run.shadow.HasField("comparison")
    await world.record("shadow_waited", shadow_id)


async def test_a_shadow_that_fails_is_recorded_and_not_tried_again(world: World) -> None:
    answer = await world.chat("two: fail")
    run = await shown(world, answer, compared)
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert run.shadow.state == run_pb2.RUN_STATE_FAILED
    assert (run.shadow.failure_reason, run.shadow.cause) == ("generation_stalled", run_pb2.ATTEMPT_CAUSE_UNAVAILABLE)
    assert run.shadow.shadow.model_id == "two"
    assert not run.shadow.HasField("comparison")
    await world.record("shadow_failed", f"shadow-{answer.run_id}")


async def test_a_shadow_whose_slot_is_taken_gives_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "FREE_SLOT_TIMEOUT", timedelta(milliseconds=500))
    monkeypatch.setattr(world.router, "shadow", Shadow(model_id="full", task_queue=llm_queue("full")))
    run = await shown(world, await world.chat("hello"), compared)
    assert run.shadow.failure_reason == "schedule_to_start_timeout"


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (Shadow(model_id="two", skipped="it has no free slot"), "it has no free slot"),
        (Shadow(model_id="one", task_queue=llm_queue("one")), "it has answered itself"),
    ],
    ids=["skipped", "itself"],
)
async def test_what_is_not_mirrored_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch, drawn: Shadow, why: str
) -> None:
    monkeypatch.setattr(world.router, "shadow", drawn)
    answer = await world.chat("hello")
    assert answer.selection.shadow.skipped == why
    run = await shown(world, answer, lambda run: run.HasField("response"))
    assert not run.HasField("shadow")


async def test_a_large_request_is_not_mirrored(world: World) -> None:
    run = await shown(world, await world.chat("x" * 65_536), compared)
    assert run.shadow.skipped == "request and answer are larger than 64 KiB"
    assert not run.shadow.HasField("comparison")


async def test_the_shadow_sees_the_passages_of_the_run_once_for_each_run(world: World) -> None:
    request_id = key()
    answer = await world.chat("where does it rise", request_id=request_id, rag={"collection": "demo"})
    run = await shown(world, answer, compared)
    assert run.shadow.shadow.usage.prompt_tokens == run.shadow.answer.usage.prompt_tokens == 2
    assert run.shadow.shadow.text == run.shadow.answer.text.replace("one says", "two says")
    # The same request again is the same run, with the same shadow.
    assert await world.chat("where does it rise", request_id=request_id, rag={"collection": "demo"}) == answer


async def test_a_run_that_fails_has_no_shadow_and_a_shadow_is_no_run(world: World) -> None:
    request_id = key()
    with pytest.raises(OloError):
        await world.chat("refuse", request_id=request_id)
    handle = world.client.get_workflow_handle(f"shadow-run-{request_id}", result_type=ShadowRun)

    async def ended() -> bool:
        try:
            return (await handle.result()).skipped == "the run has no answer"
        except RPCError:
            return False

    await until(ended)
    assert f"shadow-run-{request_id}" not in world.models["two"].begun
    answer = await world.chat("hello")
    await shown(world, answer, compared)
    with pytest.raises(OloError) as refused:
        asking = gateway.GetRunRequest(run_id=f"shadow-{answer.run_id}")
        await call(world.gateway.GetRun, asking, peer="gateway", timeout=5)
    assert refused.value.reason == "run_not_found"
