from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo_llm_worker.activities import GenerateActivities
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.responses import Identity
from olo_testing.waiting import until

Schedule = Callable[..., Scheduler]
MESSAGES = [pb.ChatMessage(role=pb.ROLE_USER, content="hi")]


class Wire:
    """A publisher that remembers, and may hang."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.chunks: list[pb.TokenChunk] = []
        self.subjects: set[str] = set()
        self.ends: list[olo_events.AttemptFinished] = []
        self._hangs = hangs

    async def publish(self, subject: str, payload: bytes) -> bool:
        if self._hangs:
            await asyncio.Event().wait()
        if subject.startswith("olo.llm-worker.v1.attempt.finished."):
            self.ends.append(olo_events.AttemptFinished.parse(payload))
            return True
        self.subjects.add(subject)
        self.chunks.append(pb.TokenChunk.FromString(payload))
        return True


async def _told(_: bool) -> None: ...


async def _never() -> FakeEngine:
    raise AssertionError("the model is there")


class Bench:
    """The activity in Temporal's test environment."""

    def __init__(
        self, scheduler: Scheduler, identity: Identity, wire: Wire, *, stall_seconds: float = 20.0, **info: Any
    ) -> None:
        slot = ModelSlot(_never, scheduler._policy, _told)
        slot._scheduler = scheduler
        self.beats: list[pb.GenerateProgress] = []
        self.confirmed: list[pb.GenerateProgress] = []
        self.reachable = True
        self._activities = GenerateActivities(slot, identity, wire, self, stall_seconds=stall_seconds)
        self.environment = ActivityEnvironment()
        self.environment.on_heartbeat = self.beats.append
        start = {"scheduled_time": datetime.now(UTC), "start_to_close_timeout": timedelta(seconds=30)}
        self.environment.info = dataclasses.replace(self.environment.info, **{**start, **info})

    async def told(self, task_token: bytes, progress: pb.GenerateProgress) -> bool:
        assert task_token == self.environment.info.task_token
        self.confirmed.append(progress)
        return self.reachable

    async def run(self, **request: Any) -> pb.GenerateResponse:
        message = pb.GenerateRequest(request_id="r-1", messages=MESSAGES, **request)
        response: pb.GenerateResponse = await self.environment.run(self._activities.generate, message)
        return response


async def test_it_answers_and_publishes_only_when_asked(schedule: Schedule, identity: Identity) -> None:
    wire = Wire()
    bench = Bench(schedule(FakeEngine("Grüße.")), identity, wire)
    response = await bench.run(candidate=1)
    assert (response.text, response.attempt, response.candidate) == ("Grüße.", 1, 1)
    assert wire.chunks == []


async def test_the_end_of_an_attempt_is_told(schedule: Schedule, identity: Identity) -> None:
    wire = Wire()
    await Bench(schedule(FakeEngine("ok")), identity, wire).run(candidate=2)
    with pytest.raises(ApplicationError):
        await Bench(schedule(FakeEngine("")), identity, wire).run(candidate=3)
    assert [(end.instance_id, end.model_id, end.candidate, end.failure_reason) for end in wire.ends] == [
        (identity.instance_id, identity.model_id, 2, ""),
        (identity.instance_id, identity.model_id, 3, "empty_output"),
    ]
    good, bad = wire.ends
    assert good.completion_tokens > 0
    assert 0 < good.first_token_ms <= good.generation_ms
    assert (good.failure_code, bad.failure_code, bad.completion_tokens) == (0, 14, 0)


async def test_a_worker_that_breaks_down_is_no_success(
    schedule: Schedule, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    bench = Bench(schedule(FakeEngine("ok")), identity, wire)

    def breaks(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("olo_llm_worker.activities.answering", breaks)
    with pytest.raises(ZeroDivisionError):
        await bench.run(candidate=1)
    assert [(end.failure_reason, end.failure_code) for end in wire.ends] == [("internal", 13)]


async def test_chunks_are_contiguous_and_end_with_reason_and_usage(schedule: Schedule, identity: Identity) -> None:
    wire = Wire()
    bench = Bench(schedule(FakeEngine("Grüße.")), identity, wire, attempt=3)
    response = await bench.run(stream=True, candidate=2)
    assert wire.subjects == {"olo.stream.v1.r-1"}
    offset = 0
    for seq, chunk in enumerate(wire.chunks):
        assert (chunk.seq, chunk.offset, chunk.attempt, chunk.candidate) == (seq, offset, 3, 2)
        offset += len(chunk.text.encode())
    assert "".join(chunk.text for chunk in wire.chunks) == response.text
    assert wire.chunks[-1].finish_reason == pb.FINISH_REASON_STOP
    assert wire.chunks[-1].usage == response.usage


async def test_a_hanging_bus_does_not_hold_up_the_answer(schedule: Schedule, identity: Identity) -> None:
    bench = Bench(schedule(FakeEngine("ok")), identity, Wire(hangs=True))
    async with asyncio.timeout(10):
        assert (await bench.run(stream=True)).text == "ok"


async def test_a_later_attempt_resumes_from_the_heartbeat(schedule: Schedule, identity: Identity) -> None:
    engine, wire = FakeEngine("Hello there."), Wire()
    progress = pb.GenerateProgress(token_ids=list(b"Hello"), attempt=1)
    bench = Bench(schedule(engine), identity, wire, attempt=2, heartbeat_details=[progress])
    response = await bench.run(stream=True, sampling=pb.SamplingOptions(max_tokens=50))
    assert (response.text, response.usage.completion_tokens, response.attempt) == ("Hello there.", 12, 2)
    assert engine.dispatched[0].limits == (45,)
    assert (wire.chunks[0].offset, "".join(chunk.text for chunk in wire.chunks)) == (0, "Hello there.")


@pytest.mark.parametrize("details", [[], ["rubbish"], [pb.GenerateProgress(token_ids=[9999])]])
async def test_a_heartbeat_that_is_no_use_means_starting_again(
    schedule: Schedule, identity: Identity, details: list[Any]
) -> None:
    bench = Bench(schedule(FakeEngine("Hello.")), identity, Wire(), attempt=2, heartbeat_details=details)
    assert (await bench.run()).text == "Hello."


async def test_a_first_attempt_takes_the_prefix_of_the_request(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("Hello.")
    bench = Bench(schedule(engine), identity, Wire())
    response = await bench.run(prefix_token_ids=list(b"Hel"), sampling=pb.SamplingOptions(max_tokens=10))
    assert (response.text, engine.dispatched[0].limits) == ("Hello.", (7,))


async def test_it_heartbeats_while_waiting_and_what_was_generated(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    first, second = (Bench(scheduler, identity, Wire()) for _ in range(2))
    running = asyncio.create_task(first.run())
    await until(lambda: scheduler.running == 1)
    waiting = asyncio.create_task(second.run())
    await until(lambda: len(second.beats) >= 2)
    engine.permit()
    await until(lambda: bool(first.beats) and list(first.beats[-1].token_ids) == list(b"o"))
    said = len(first.beats)
    await until(lambda: len(first.beats) > said and len(second.beats) >= 4)
    engine.permit(3)
    assert ((await running).text, (await waiting).text) == ("ok", "ok")


async def test_an_engine_that_hangs_is_found_out_and_its_tokens_are_handed_over(
    schedule: Schedule, identity: Identity
) -> None:
    engine, wire = FakeEngine("ok", stepwise=True), Wire()
    scheduler = schedule(engine)
    bench = Bench(scheduler, identity, wire, stall_seconds=1.0)
    engine.permit()
    with pytest.raises(ApplicationError) as failed:
        await bench.run(stream=True)
    assert (failed.value.type, failed.value.non_retryable) == ("generation_stalled", False)
    assert list(bench.beats[-1].token_ids) == list(b"o")
    engine.permit()
    await until(lambda: scheduler.running == 0)


async def test_an_engine_that_dies_hands_its_tokens_over_with_the_failure(
    schedule: Schedule, identity: Identity
) -> None:
    engine = FakeEngine("ok", stepwise=True)
    bench = Bench(schedule(engine), identity, Wire())
    running = asyncio.create_task(bench.run())
    engine.permit()
    await until(lambda: bool(bench.beats) and list(bench.beats[-1].token_ids) == list(b"o"))
    engine.die()
    engine.permit()
    with pytest.raises(ApplicationError) as failed:
        await running
    assert (failed.value.type, failed.value.non_retryable) == ("engine_lost", False)
    _, progress = failed.value.details
    assert (list(progress.token_ids), progress.instance_id) == (list(b"o"), identity.instance_id)
    assert progress.company == pb.COMPANY_SHARED


async def test_what_a_suspect_does_is_known_before_the_engine_sees_it(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok", stepwise=True)
    bench = Bench(schedule(engine), identity, Wire())
    running = asyncio.create_task(bench.run(isolation=pb.ISOLATION_FIRST_TOKEN))
    await until(lambda: bool(engine.dispatched))
    alone, again = bench.confirmed
    assert (alone.company, alone.instance_id, list(alone.token_ids)) == (pb.COMPANY_ALONE, identity.instance_id, [])
    assert again == alone, "the SDK's last heartbeat may have come in between"
    assert {beat.company for beat in bench.beats} == {pb.COMPANY_ALONE}, "none that says something else is under way"
    engine.permit()
    await until(lambda: len(bench.confirmed) == 4)
    shared = bench.confirmed[3]
    assert (shared.company, list(shared.token_ids)) == (pb.COMPANY_SHARED, list(b"o"))
    engine.permit(5)
    assert (await running).text == "ok"


async def test_a_suspect_of_which_temporal_cannot_be_told_does_not_begin(
    schedule: Schedule, identity: Identity
) -> None:
    engine = FakeEngine("ok")
    bench = Bench(schedule(engine), identity, Wire())
    bench.reachable = False
    with pytest.raises(ApplicationError) as failed:
        await bench.run(isolation=pb.ISOLATION_WHOLE_ANSWER)
    assert (failed.value.type, failed.value.non_retryable) == ("model_unavailable", False)
    assert engine.dispatched == []


async def test_an_isolation_that_is_not_known_is_refused(schedule: Schedule, identity: Identity) -> None:
    with pytest.raises(ApplicationError) as failed:
        await Bench(schedule(FakeEngine("ok")), identity, Wire()).run(isolation=7)
    assert failed.value.type == "field_invalid"


async def test_waiting_for_the_engine_is_no_stall(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    first = asyncio.create_task(Bench(scheduler, identity, Wire()).run())
    await until(lambda: scheduler.running == 1)
    second = Bench(scheduler, identity, Wire(), stall_seconds=0.6)
    waiting = asyncio.create_task(second.run())
    await until(lambda: len(second.beats) >= 4)
    engine.permit(4)
    assert ((await first).text, (await waiting).text) == ("ok", "ok")


async def test_cancelling_ends_the_generation_and_leaves_its_progress(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    bench = Bench(scheduler, identity, Wire())
    task = asyncio.create_task(bench.run())
    engine.permit()
    await until(lambda: bool(bench.beats) and list(bench.beats[-1].token_ids) == list(b"o"))
    bench.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    engine.permit()
    await until(lambda: scheduler.running == 0)
    assert list(bench.beats[-1].token_ids) == list(b"o")


@pytest.mark.parametrize(
    ("answer", "request_", "reason", "final"),
    [
        ("ok", {"model_id": "other"}, "model_not_found", True),
        ("ok", {"sampling": pb.SamplingOptions(top_p=7)}, "field_invalid", True),
        ("", {}, "empty_output", False),
    ],
)
async def test_errors_carry_their_reason_and_whether_to_retry(
    schedule: Schedule, identity: Identity, answer: str, request_: dict[str, Any], reason: str, final: bool
) -> None:
    with pytest.raises(ApplicationError) as failed:
        await Bench(schedule(FakeEngine(answer)), identity, Wire()).run(**request_)
    assert (failed.value.type, failed.value.non_retryable) == (reason, final)


async def test_an_aborted_run_is_not_retried(schedule: Schedule, identity: Identity) -> None:
    scheduler = schedule(FakeEngine("ok", stepwise=True))
    task = asyncio.create_task(Bench(scheduler, identity, Wire()).run())
    await until(lambda: scheduler.running == 1)
    assert scheduler.abort("r-1")
    with pytest.raises(ApplicationError) as failed:
        await task
    assert (failed.value.type, failed.value.non_retryable) == ("aborted", True)


async def test_time_spent_before_the_worker_took_it_counts(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok")
    bench = Bench(schedule(engine), identity, Wire(), scheduled_time=datetime.now(UTC) - timedelta(seconds=60))
    request = pb.GenerateRequest()
    request.timeout.FromSeconds(30)
    with pytest.raises(ApplicationError) as failed:
        await bench.run(timeout=request.timeout)
    assert failed.value.type == "deadline_exceeded"
    assert engine.dispatched == []


async def test_a_stopping_worker_hands_the_run_to_another(schedule: Schedule, identity: Identity) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    bench = Bench(scheduler, identity, Wire())
    task = asyncio.create_task(bench.run())
    engine.permit()
    await until(lambda: bool(bench.beats) and list(bench.beats[-1].token_ids) == list(b"o"))
    bench.environment.worker_shutdown()
    bench.environment.cancel()
    with pytest.raises(ApplicationError) as failed:
        await task
    assert (failed.value.type, failed.value.non_retryable) == ("worker_stopping", False)
    assert list(failed.value.details[1].token_ids) == list(b"o")
