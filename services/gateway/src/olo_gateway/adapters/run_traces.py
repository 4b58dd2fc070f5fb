"""Where the time of a run went, read from the history that Temporal keeps of it.

Times of local activities are those of the workflow's clock, as in the timings of the answer: it stands still within a
task of the workflow, but for the ends of its local activities.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.converter import DataConverter
from temporalio.exceptions import CancelledError, FailureError

from olo.gateway.v1.gateway_service_pb2 import RunStep, TraceRunResponse
from olo.gateway.v1.run_pb2 import RunProgress
from olo.inference.v1.inference_service_pb2 import GenerateResponse
from olo_common.failures import from_failure
from olo_common.temporal_traces import TRACER_HEADER
from olo_contracts.queues import GENERATE_ACTIVITY, PROGRESS_MEMO, llm_queue

QUEUE, PARK, PAUSE = "queue", "park", "pause"
_MARKER: Final = "core_local_activity"


async def steps_of(
    events: AsyncIterator[HistoryEvent], pending: Mapping[str, PendingActivityInfo], converter: DataConverter
) -> TraceRunResponse:
    """The steps and the trace of a run.

    Args:
        events: Its history.
        pending: What the server knows of activities that have not ended, by their ids.
        converter: Reads results, of which the times are taken.
    """
    reading = _Reading(converter)
    async for event in events:
        await reading.take(event)
    reading.finish(pending)
    steps = sorted(reading.steps, key=lambda step: step.start_time.ToNanoseconds())
    return TraceRunResponse(steps=steps, trace_id=reading.trace_id)


class _Reading:
    """One pass over a history."""

    def __init__(self, converter: DataConverter) -> None:
        self.steps: list[RunStep] = []
        self.trace_id = ""
        self._converter = converter
        self._clock = Timestamp()
        self._before = EventType.EVENT_TYPE_UNSPECIFIED
        self._only_alive = False
        """Whether the last workflow task did no more than say that a local activity still runs."""
        self._parked = False
        self._queued: dict[int, tuple[str, RunStep]] = {}
        self._running: dict[int, RunStep] = {}
        self._timers: dict[int, RunStep] = {}

    async def take(self, event: HistoryEvent) -> None:
        """Reads the next event."""
        kind = event.event_type
        match kind:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                fields = event.workflow_execution_started_event_attributes.header.fields
                self.trace_id = _trace_id(fields.get(TRACER_HEADER))
            case EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
                self._only_alive = self._before == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED if not self._only_alive:
                self._clock = event.event_time
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                await self._marker(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                told = event.activity_task_scheduled_event_attributes
                model_id = told.task_queue.name.removeprefix(llm_queue(""))
                step = RunStep(name=QUEUE, model_id=model_id, start_time=event.event_time)
                self._queued[event.event_id] = told.activity_id, step
                self.steps.append(step)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                begun = event.activity_task_started_event_attributes
                self._start(begun.scheduled_event_id, event.event_time, begun.attempt)
            case EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
                memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
                if PROGRESS_MEMO in memo:
                    self._parked = await self._says_something(memo[PROGRESS_MEMO])
            case EventType.EVENT_TYPE_TIMER_STARTED:
                # A step that is tried again while the run is parked pauses, too: that is part of the waiting.
                step = RunStep(name=PARK if self._parked else PAUSE, start_time=event.event_time)
                self._timers[event.event_id] = step
                self.steps.append(step)
            case EventType.EVENT_TYPE_TIMER_FIRED:
                self._end_timer(event.timer_fired_event_attributes.started_event_id, event)
            case EventType.EVENT_TYPE_TIMER_CANCELED:
                self._end_timer(event.timer_canceled_event_attributes.started_event_id, event)
            case _ if kind in _ENDS:
                await self._end(event, _ENDS[kind](event))
        self._before = kind

    def finish(self, pending: Mapping[str, PendingActivityInfo]) -> None:
        """Adds what the server knows of activities that have not ended: their starts are no events yet."""
        for scheduled, (activity_id, _) in list(self._queued.items()):
            known = pending.get(activity_id)
            if known is not None and known.HasField("last_started_time"):
                self._start(scheduled, known.last_started_time, known.attempt)

    def _start(self, scheduled: int, moment: Timestamp, attempt: int) -> None:
        if (queued := self._queued.pop(scheduled, None)) is None:
            return
        _, waiting = queued
        waiting.end_time.CopyFrom(moment)
        step = RunStep(name=GENERATE_ACTIVITY, model_id=waiting.model_id, start_time=moment, attempts=attempt)
        self._running[scheduled] = step
        self.steps.append(step)

    async def _end(self, event: HistoryEvent, told: Any) -> None:
        scheduled = told.scheduled_event_id
        queued = self._queued.pop(scheduled, None)
        step = self._running.pop(scheduled, queued[1] if queued else None)
        if step is None:
            return
        step.end_time.CopyFrom(event.event_time)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            await self._first_token(step, told.result)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            step.failure_reason = "cancelled"
        else:
            step.failure_reason = await self._reason(told.failure)

    async def _first_token(self, step: RunStep, result: Payloads) -> None:
        try:
            (answer,) = await self._converter.decode(result.payloads, [GenerateResponse])
        except Exception:
            # Its answer may lie in a store that is away, or be kept no longer: the rest is worth telling.
            return
        if isinstance(answer, GenerateResponse) and answer.timings.HasField("first_token"):
            spent = answer.timings.queue.ToTimedelta() + answer.timings.first_token.ToTimedelta()
            step.first_token_time.FromNanoseconds(step.start_time.ToNanoseconds() + _nanoseconds(spent))

    async def _says_something(self, payload: Payload) -> bool:
        try:
            (told,) = await self._converter.decode([payload], [RunProgress])
        except Exception:
            return False
        return told is not None

    async def _marker(self, event: HistoryEvent) -> None:
        told = event.marker_recorded_event_attributes
        if told.marker_name != _MARKER or not told.details["data"].payloads:
            return
        data = json.loads(told.details["data"].payloads[0].data)
        end = Timestamp(**data["complete_time"]) if data.get("complete_time") else event.event_time
        start = self._clock if self._clock.ToNanoseconds() <= end.ToNanoseconds() else end
        step = RunStep(name=data["activity_type"], start_time=start, end_time=end, attempts=data["attempt"])
        if told.HasField("failure"):
            step.failure_reason = await self._reason(told.failure)
        self.steps.append(step)
        self._clock = end

    def _end_timer(self, started: int, event: HistoryEvent) -> None:
        if (step := self._timers.pop(started, None)) is not None:
            step.end_time.CopyFrom(event.event_time)

    async def _reason(self, failure: Failure) -> str:
        try:
            error: BaseException = await self._converter.decode_failure(failure)
        except Exception:
            return "internal"
        if isinstance(error, CancelledError) or (isinstance(error, FailureError) and _is_cancelled(error)):
            return "cancelled"
        return from_failure(error).reason


_ENDS: Final[Mapping[int, Callable[[HistoryEvent], Message]]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: lambda event: event.activity_task_completed_event_attributes,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: lambda event: event.activity_task_failed_event_attributes,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: lambda event: event.activity_task_timed_out_event_attributes,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: lambda event: event.activity_task_canceled_event_attributes,
}


def _is_cancelled(error: FailureError) -> bool:
    return isinstance(error.cause, CancelledError)


def _nanoseconds(spent: timedelta) -> int:
    return round(spent / timedelta(microseconds=1)) * 1000


def _trace_id(context: Payload | None) -> str:
    """The trace id of a W3C context, as the interceptor stores it."""
    if context is None:
        return ""
    try:
        parts = str(json.loads(context.data)["traceparent"]).split("-")
    except (ValueError, KeyError, TypeError):
        return ""
    return parts[1] if len(parts) == 4 else ""
