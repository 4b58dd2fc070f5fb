"""Parked runs, attempts and what can be told of them, on real Temporal and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio import activity
from temporalio.worker import Worker
from tests.integration.gateway_peers import FakeModel
from tests.integration.gateway_world import World, asked, body, key, worlds

import olo_events
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse
from olo.gateway.v1.run_pb2 import Run
from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse
from olo_client import AsyncOlo
from olo_common.errors import ErrorCode, OloError, RemoteError
from olo_common.failures import to_application_error
from olo_common.grpc_client import call
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import subject_of
from olo_gateway.workflows import losses, tasks
from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are found out sooner than in earnest."""
    monkeypatch.setattr(tasks, "HEARTBEAT_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(losses, "LEASE_OVER", timedelta(milliseconds=100))


async def shown(world: World, request_id: str) -> Run:
    request = gateway.GetRunRequest(run_id=f"run-{request_id}")
    response: gateway.GetRunResponse = await call(world.gateway.GetRun, request, peer="gateway", timeout=5)
    return response.run


async def phase(world: World, request_id: str, expected: int) -> Run:
    """The run, once it is busy with what is expected."""
    found = [Run()]

    async def reached() -> bool:
        try:
            found[0] = await shown(world, request_id)
        except OloError:
            return False
        return found[0].progress.phase == expected

    await until(reached)
    return found[0]


async def announce(world: World, model_id: str) -> None:
    event = olo_events.InstanceAnnounced(instance_id="i", epoch=1, seq=1, model_id=model_id)
    await world.bus.publish(subject_of(event), bytes(event))


def waiting_for(world: World, seconds: float, **fields: Any) -> tuple[str, str, asyncio.Task[Any]]:
    """A request for a model of its own that is not there, from a caller that can wait."""
    request_id = key()
    model_id = f"absent-{request_id}"
    world.router.absent.add(model_id)
    wait = Duration()
    wait.FromTimedelta(timedelta(seconds=seconds))
    chat = world.chat("hello", model=model_id, request_id=request_id, wait_for_model=wait, **fields)
    return request_id, model_id, asyncio.create_task(chat)


async def test_a_parked_run_goes_on_as_soon_as_a_model_announces_itself(world: World) -> None:
    request_id, model_id, answer = waiting_for(world, 30)
    run = await phase(world, request_id, run_pb2.RUN_PHASE_PARKED)
    assert run.state == run_pb2.RUN_STATE_RUNNING
    assert run.progress.parked_until_time.seconds > run.progress.since_time.seconds

    async def listed_as_parked() -> bool:
        page = await call(world.gateway.ListRuns, gateway.ListRunsRequest(page_size=5), peer="gateway", timeout=5)
        return any(r.run_id == run.run_id and r.progress.phase == run_pb2.RUN_PHASE_PARKED for r in page.runs)

    await until(listed_as_parked)
    world.router.absent.remove(model_id)
    model = FakeModel(model_id, world.bus)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[model.generate]):
        await announce(world, model_id)
        response = await answer
    assert response.model == model_id
    assert response.timings.parked.ToTimedelta() > timedelta()
    history = await world.client.get_workflow_handle(run.run_id).fetch_history()
    assert any(e.HasField("workflow_execution_signaled_event_attributes") for e in history.events)
    await world.record("park", run.run_id)


async def test_a_parked_run_outlives_every_process_and_asks_again_without_a_hint(world: World) -> None:
    request_id, model_id, answer = waiting_for(world, 60)
    await phase(world, request_id, run_pb2.RUN_PHASE_PARKED)
    answer.cancel()
    await world.inner.aclose()
    world.router.absent.remove(model_id)
    model = FakeModel(model_id, world.bus)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[model.generate]):
        await world.enter()
        response = await world.chat("hello", model=model_id, request_id=request_id)
    assert response.model == model_id


async def test_whoever_streams_or_follows_a_parked_run_hears_its_end_from_the_next_gateway(world: World) -> None:
    """The gateway ends under both of them, and comes back at its address while the run is still parked."""
    await world.inner.aclose()
    world.settings = world.settings.model_copy(update={"port": free_port()})
    await world.enter()
    request_id, target = key(), f"127.0.0.1:{world.settings.port}"
    model_id = f"absent-{request_id}"
    world.router.absent.add(model_id)
    seen: dict[str, list[ChatStreamResponse]] = {"streams": [], "follows": []}

    async def hear(who: str, events: AsyncIterator[ChatStreamResponse]) -> None:
        async for event in events:
            seen[who].append(event)

    def parked(events: list[ChatStreamResponse]) -> int:
        return sum(event.progress.phase == run_pb2.RUN_PHASE_PARKED for event in events)

    async with AsyncOlo(target, attempts=30, timeout=60) as olo:
        asking = olo.chat_stream("hello", model=model_id, request_id=request_id, wait_for_model=50, timeout=60)
        callers = [asyncio.create_task(hear("streams", asking))]
        await phase(world, request_id, run_pb2.RUN_PHASE_PARKED)
        callers.append(asyncio.create_task(hear("follows", olo.follow(f"run-{request_id}", timeout=60))))

        async def told(times: int) -> bool:
            return all(parked(events) >= times for events in seen.values())

        await until(lambda: told(1))
        await world.inner.aclose()
        await world.enter()
        await until(lambda: told(2))
        world.router.absent.remove(model_id)
        model = FakeModel(model_id, world.bus)
        async with Worker(world.client, task_queue=llm_queue(model_id), activities=[model.generate]):
            await announce(world, model_id)
            await asyncio.gather(*callers)
    for events in seen.values():
        kinds = [event.WhichOneof("event") for event in events]
        assert (kinds[0], kinds.count("started"), kinds.count("reset"), kinds[-1]) == ("started", 1, 0, "completed")
        text = "".join(event.delta.text for event in events)
        assert text == events[-1].completed.message.content != ""


@pytest.mark.parametrize(("wait", "timeout"), [(1.5, 30), (30, 3)], ids=["wait-over", "deadline"])
async def test_where_no_model_comes_the_run_ends_with_that(world: World, wait: float, timeout: int) -> None:
    request_id, _, answer = waiting_for(world, wait, timeout=Duration(seconds=timeout))
    with pytest.raises(OloError) as caught:
        await answer
    assert caught.value.reason == "no_model_available"
    assert caught.value.retry_after == 2.0
    run = await shown(world, request_id)
    assert run.state == run_pb2.RUN_STATE_FAILED
    assert run.details.timings.parked.ToTimedelta() >= timedelta(seconds=1)


async def test_a_caller_that_streams_is_told_that_the_run_is_parked(world: World) -> None:
    model_id = f"absent-{key()}"
    world.router.absent.add(model_id)
    request = asked("hello", model=model_id, wait_for_model=Duration(seconds=20))
    model = FakeModel(model_id, world.bus)
    seen = []
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[model.generate]):
        async for event in world.gateway.ChatStream(gateway.ChatStreamRequest(request=request), timeout=30):
            seen.append(event.WhichOneof("event"))
            if seen[-1] == "progress":
                assert event.progress.phase in (run_pb2.RUN_PHASE_PARKED, run_pb2.RUN_PHASE_GENERATING)
                world.router.absent.discard(model_id)
                await announce(world, model_id)
    assert seen[:2] == ["started", "progress"]
    assert seen[-1] == "completed"


async def test_an_sse_client_sees_the_wait_as_a_comment(world: World) -> None:
    asking = body("hello", model="gone", wait_for_model=2.0, stream=True)
    answer = await world.http.post("/v1/chat/completions", json=asking)
    assert answer.status_code == 200
    assert ": parked" in answer.text
    assert "no_model_available" in answer.text


@pytest.mark.parametrize(("model", "reason"), [("missing", "model_not_found"), ("unmet", "constraints_unmet")])
async def test_what_no_known_model_can_answer_is_not_waited_for(world: World, model: str, reason: str) -> None:
    with pytest.raises(OloError) as caught:
        await world.chat("hello", model=model, wait_for_model=Duration(seconds=30))
    assert caught.value.reason == reason


@pytest.mark.parametrize("reason", ["worker_stopping", "generation_stalled"])
async def test_a_run_whose_only_worker_restarts_is_parked_and_not_failed(world: World, reason: str) -> None:
    """The worker says that it is stopping, or hangs, and is gone; what comes back answers."""
    request_id = key()
    model_id = f"restarting-{request_id}"
    model = FakeModel(model_id, world.bus)

    @activity.defn(name=GENERATE_ACTIVITY)
    async def stop(request: GenerateRequest) -> GenerateResponse:
        world.router.absent.add(model_id)
        raise to_application_error(RemoteError(ErrorCode.UNAVAILABLE, reason, "it is stopping"))

    chat = world.chat("hello", model=model_id, request_id=request_id, wait_for_model=Duration(seconds=30))
    answer = asyncio.create_task(chat)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[stop]):
        await phase(world, request_id, run_pb2.RUN_PHASE_PARKED)
    world.router.absent.remove(model_id)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[model.generate]):
        await announce(world, model_id)
        assert (await answer).model == model_id


async def test_a_model_that_talks_nonsense_is_not_asked_twice_in_a_row(world: World) -> None:
    request_id = key()
    with pytest.raises(OloError) as caught:
        await world.chat("talk nonsense", request_id=request_id)
    assert caught.value.reason == "output_invalid"
    run = await shown(world, request_id)
    assert {a.cause for a in run.details.attempts} == {run_pb2.ATTEMPT_CAUSE_BAD_OUTPUT}
    assert [a.model_id for a in run.details.attempts] == ["one", "two", "one", "two"]


async def test_a_running_run_tells_what_it_has_done(world: World) -> None:
    request_id = key()
    answer = asyncio.create_task(
        world.chat("wait", request_id=request_id, rag={"collection": "demo"}, timeout=Duration(seconds=20))
    )
    run = await phase(world, request_id, run_pb2.RUN_PHASE_GENERATING)
    assert run.progress.model_id == "one"
    assert [c.model_id for c in run.details.selection.candidates] == ["one", "two"]
    assert [r.filter for r in run.details.selection.rejections] == ["enabled"]
    assert [c.document_id for c in run.details.citations] == ["nile", "nile"]
    cancelled = gateway.CancelRunRequest(run_id=run.run_id)
    await call(world.gateway.CancelRun, cancelled, peer="gateway", timeout=5)
    with pytest.raises(OloError):
        await answer
    ended = await shown(world, request_id)
    assert ended.state == run_pb2.RUN_STATE_CANCELLED
    assert [c.model_id for c in ended.details.selection.candidates] == ["one", "two"]


async def test_a_task_that_nobody_takes_is_queued(world: World) -> None:
    request_id = key()
    answer = asyncio.create_task(
        world.chat("hello", model=f"idle-{request_id}", request_id=request_id, timeout=Duration(seconds=3))
    )
    run = await phase(world, request_id, run_pb2.RUN_PHASE_QUEUED)
    assert run.progress.model_id == f"idle-{request_id}"
    with pytest.raises(OloError):
        await answer
    failed = await shown(world, request_id)
    assert failed.details.attempts[0].cause == run_pb2.ATTEMPT_CAUSE_SCHEDULE_TO_START
    assert failed.details.attempts[0].queue == failed.details.attempts[0].duration


async def test_attempts_end_with_the_budget(world: World) -> None:
    request_id = key()
    with pytest.raises(OloError) as caught:
        await world.chat("fail", request_id=request_id)
    assert caught.value.reason == "no_model_available", "engines that hang are as good as gone"
    run = await shown(world, request_id)
    assert {a.cause for a in run.details.attempts} == {run_pb2.ATTEMPT_CAUSE_UNAVAILABLE}
    # Each candidate has two tries; the budget is six.
    assert [a.model_id for a in run.details.attempts] == ["one", "one", "two", "two", "one", "one"]
    assert (await world.steps(run.run_id)).count("generate") == 6
    await world.record("budget", run.run_id)


@pytest.mark.usefixtures("impatient")
async def test_the_budget_counts_every_attempt_whatever_it_failed_of(world: World) -> None:
    """A first try that fails in passing, and a second that loses its worker, are two."""
    request_id = key()
    with pytest.raises(OloError):
        await world.chat("stop, then fall silent", request_id=request_id)
    run = await shown(world, request_id)
    reasons = [a.failure_reason for a in run.details.attempts]
    assert reasons == ["worker_stopping", "heartbeat_timeout"] * 3


@pytest.mark.usefixtures("impatient")
async def test_another_engine_goes_on_after_one_has_died(world: World) -> None:
    answer = await world.chat("lose an engine")
    assert answer.message.content.endswith("after [7]")
    assert [a.cause for a in answer.attempts] == [run_pb2.ATTEMPT_CAUSE_ENGINE_LOST, 0]
    await world.record("engine_lost", answer.run_id)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", ["kill engines", "die", "kill engines alone", "die unheard"])
async def test_what_two_engines_or_workers_die_of_is_quarantined_for_good(world: World, said: str) -> None:
    request_id = key()
    for _ in range(2):
        with pytest.raises(OloError) as caught:
            await world.chat(said, request_id=request_id)
        assert caught.value.reason == "request_poisoned"
    run = await shown(world, request_id)
    assert run.error.reason == "request_poisoned"
    assert len(run.details.attempts) == 2
    names = {"die": "poison_confirmed", "kill engines": "poison_engines", "kill engines alone": "poison_alone"}
    await world.record(names.get(said, "poison_unheard"), run.run_id)


@pytest.mark.parametrize(("losses", "isolations"), [("once", [0, 1]), ("once again", [0, 1, 2])])
async def test_what_others_kill_is_asked_again_alone_and_answers(
    world: World, losses: str, isolations: list[int]
) -> None:
    answer = await world.chat(f"in company {losses}")
    assert answer.message.content.endswith(str(isolations))
    assert [a.cause for a in answer.attempts] == [run_pb2.ATTEMPT_CAUSE_ENGINE_LOST] * (len(isolations) - 1) + [0]
    await world.record(f"bystander_{len(isolations) - 1}", answer.run_id)


@pytest.mark.usefixtures("impatient")
async def test_workers_that_starve_and_live_do_not_poison_a_request(world: World) -> None:
    answer = await world.chat("starve twice")
    assert answer.message.content.endswith("after []")
    assert [a.cause for a in answer.attempts] == [run_pb2.ATTEMPT_CAUSE_HEARTBEAT] * 2 + [0]
    assert world.registry.asked.count("one") >= 1
    await world.record("starved_workers", answer.run_id)
