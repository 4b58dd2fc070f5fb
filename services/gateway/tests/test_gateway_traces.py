"""Where the time of a run went, told from recorded histories."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from olo.gateway.v1.gateway_service_pb2 import RunStep, TraceRunResponse
from olo_common.temporal_traces import TRACER_HEADER
from olo_gateway.adapters.run_traces import steps_of

FOLDER = Path(__file__).parent / "histories"
OF_RUNS = sorted(
    path.stem
    for path in FOLDER.glob("*.json")
    if json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
    == "chat"
)


def events_of(name: str) -> list[HistoryEvent]:
    return list(WorkflowHistory.from_json(name, (FOLDER / f"{name}.json").read_text()).events)


async def traced(
    events: Iterable[HistoryEvent], pending: dict[str, PendingActivityInfo] | None = None
) -> TraceRunResponse:
    async def given() -> AsyncIterator[HistoryEvent]:
        for event in events:
            yield event

    return await steps_of(given(), pending or {}, DataConverter.default)


def told(step: RunStep) -> tuple[str, str, int, str]:
    return step.name, step.model_id, step.attempts, step.failure_reason


async def test_a_run_that_fell_back_shows_both_attempts() -> None:
    trace = await traced(events_of("fallback"))
    assert [told(step) for step in trace.steps][-4:] == [
        ("queue", "one", 0, ""),
        ("generate", "one", 1, "empty_output"),
        ("queue", "two", 0, ""),
        ("generate", "two", 1, ""),
    ]
    queue, generate = trace.steps[-2:]
    assert queue.end_time == generate.start_time


async def test_a_step_that_waited_for_its_peer_shows_each_try_and_the_pauses_between() -> None:
    trace = await traced(events_of("waited_for_peer"))
    assert [told(step) for step in trace.steps][:5] == [
        ("select", "", 3, "dependency_unavailable"),
        ("pause", "", 0, ""),
        ("select", "", 4, "dependency_unavailable"),
        ("pause", "", 0, ""),
        ("select", "", 5, ""),
    ]


async def test_a_parked_run_shows_how_long_it_waited_for_a_model() -> None:
    trace = await traced(events_of("park"))
    names = [step.name for step in trace.steps]
    assert names == ["select", "park", "select", "queue", "generate"]
    park = trace.steps[1]
    assert 0.2 < (park.end_time.ToNanoseconds() - park.start_time.ToNanoseconds()) / 1e9 < 0.3
    assert trace.steps[0].failure_reason in ("no_model_available", "model_unavailable")


async def test_a_task_that_nobody_took_is_a_queue_that_failed() -> None:
    steps = [step for name in OF_RUNS for step in (await traced(events_of(name))).steps]
    untaken = [step for step in steps if step.failure_reason == "schedule_to_start_timeout"]
    assert untaken
    assert {step.name for step in untaken} == {"queue"}


@pytest.mark.parametrize("name", OF_RUNS)
async def test_steps_are_in_order_and_inside_of_their_run(name: str) -> None:
    events = events_of(name)
    first, last = events[0].event_time.ToNanoseconds(), events[-1].event_time.ToNanoseconds()
    trace = await traced(events)
    starts = [step.start_time.ToNanoseconds() for step in trace.steps]
    assert trace.steps
    assert starts == sorted(starts)
    for step in trace.steps:
        start = step.start_time.ToNanoseconds()
        assert step.name
        assert first <= start <= last
        if step.HasField("end_time"):
            assert start <= step.end_time.ToNanoseconds() <= last


@pytest.mark.parametrize("name", OF_RUNS)
async def test_whatever_a_history_breaks_off_with_can_be_told(name: str) -> None:
    events = events_of(name)
    for length in range(1, len(events)):
        trace = await traced(events[:length])
        assert all(step.HasField("start_time") for step in trace.steps)


async def test_a_generation_that_lasts_is_told_from_what_the_server_knows() -> None:
    events = events_of("plain")
    started = next(n for n, event in enumerate(events) if event.HasField("activity_task_started_event_attributes"))
    scheduled = next(e for e in events if e.HasField("activity_task_scheduled_event_attributes"))
    activity_id = scheduled.activity_task_scheduled_event_attributes.activity_id
    since = Timestamp(seconds=scheduled.event_time.seconds + 1)
    pending = {activity_id: PendingActivityInfo(activity_id=activity_id, last_started_time=since, attempt=1)}
    (queue, generate) = (await traced(events[:started], pending)).steps[-2:]
    assert (queue.name, queue.end_time) == ("queue", since)
    assert (generate.name, generate.start_time, generate.HasField("end_time")) == ("generate", since, False)
    (waiting,) = (await traced(events[:started])).steps[-1:]
    assert (waiting.name, waiting.HasField("end_time")) == ("queue", False)


async def test_the_first_token_is_told_where_the_worker_has() -> None:
    events = events_of("plain")
    ended = next(e for e in events if e.HasField("activity_task_completed_event_attributes"))
    payload = ended.activity_task_completed_event_attributes.result.payloads[0]
    answer = json.loads(payload.data) | {"timings": {"queue": "0.25s", "firstToken": "0.5s", "total": "1s"}}
    payload.data = json.dumps(answer).encode()
    generate = (await traced(events)).steps[-1]
    assert generate.first_token_time.ToNanoseconds() - generate.start_time.ToNanoseconds() == 750_000_000
    payload.data = b"lost"
    assert not (await traced(events)).steps[-1].HasField("first_token_time")


@pytest.mark.parametrize(
    ("stored", "trace_id"),
    [
        (
            b'{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}',
            "0af7651916cd43dd8448eb211c80319c",
        ),
        (b'{"traceparent":"nonsense"}', ""),
        (b"[]", ""),
        (base64.b64encode(b"no json"), ""),
    ],
)
async def test_the_trace_of_the_call_is_named(stored: bytes, trace_id: str) -> None:
    events = events_of("plain")
    headers = events[0].workflow_execution_started_event_attributes.header.fields
    headers[TRACER_HEADER].CopyFrom(Payload(data=stored))
    assert (await traced(events)).trace_id == trace_id
