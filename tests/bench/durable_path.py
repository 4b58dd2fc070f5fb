"""Where the time of one durable chat goes: its history, event by event, with the times between the events.

The real services as processes of their own, around an engine that computes nothing and answers at once. One chat after
the other, so that none waits for another. CPU by process is `cpu_by_part`.

PATH_SECONDS keeps up a load of PATH_CALLERS chats at a time for so long afterwards, and prints who runs under which
process id: for a profiler that is attached from outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from tests.bench.harness import write_csv
from tests.chaos.house import House, house

from olo_client import AsyncOlo

WARM, TIMES = 20, 100
TOKENS_PER_SECOND = 100_000
QUESTION = "#1# When did the tram begin to run?"

STEPS = (
    ("the gateway takes the call; Temporal writes the start down", "caller, gateway, Temporal"),
    ("the first workflow task comes with the answer to the start; the workflow begins", "Temporal, gateway"),
    ("the router is asked: a local activity of the same workflow task", "gateway, router"),
    ("the workflow task ends; Temporal writes down the candidates and the task for the model", "gateway, Temporal"),
    ("the task goes to a worker that polls its queue", "Temporal, worker"),
    ("the worker answers, with one heartbeat, and Temporal writes the answer down", "worker, Temporal"),
    ("the second workflow task goes to the gateway", "Temporal, gateway"),
    ("the workflow ends; Temporal writes its result down", "gateway, Temporal"),
    ("the gateway's long poll hears of it, and the caller has the answer", "Temporal, gateway, caller"),
)
"""What happens between two of the moments of `moments`, and who does it."""


def moments(asked: float, events: Sequence[HistoryEvent], answered: float) -> list[float]:
    """The moments at which the steps begin, and the end, in seconds since the epoch."""
    at: dict[EventType.ValueType, list[float]] = {}
    for event in events:
        at.setdefault(event.event_type, []).append(event.event_time.ToNanoseconds() / 1e9)
    marker = next(each for each in events if each.event_type == EventType.EVENT_TYPE_MARKER_RECORDED)
    told = json.loads(marker.marker_recorded_event_attributes.details["data"].payloads[0].data)
    # The end is told on the workflow's clock, which had stood still since its task began.
    selecting = _seconds(told["complete_time"]) - at[EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED][0]
    return [
        asked,
        at[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED][0],
        began := _seconds(told["original_schedule_time"]),
        began + selecting,
        at[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED][0],
        at[EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED][0],
        at[EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED][0],
        at[EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED][1],
        at[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED][0],
        answered,
    ]


def _seconds(told: dict[str, int]) -> float:
    return told["seconds"] + told["nanos"] / 1e9


async def measure() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with (
            house(Path(scratch), tokens_per_second=TOKENS_PER_SECOND) as built,
            AsyncOlo(built.gateway, timeout=60, attempts=20) as olo,
        ):
            temporal = await Client.connect(built.temporal)
            for _ in range(WARM):
                await olo.chat(QUESTION)
            told: list[list[float]] = []
            for _ in range(TIMES):
                asked = time.time()
                answer = await olo.chat(QUESTION)
                answered = time.time()
                history = await temporal.get_workflow_handle(answer.run_id).fetch_history()
                told.append(moments(asked, history.events, answered))
            if seconds := float(os.environ.get("PATH_SECONDS", "0")):
                await _load(built, olo, seconds)
    rows: list[list[object]] = []
    for number, (step, who) in enumerate(STEPS):
        took = [run[number + 1] - run[number] for run in told]
        rows.append([number + 1, step, who, *(round(1000 * each, 2) for each in statistics.quantiles(took, n=4))])
    whole = statistics.quantiles([run[-1] - run[0] for run in told], n=4)
    rows.append(["", "all", "", *(round(1000 * each, 2) for each in whole)])
    for number, step, who, _, middle, _ in rows:
        print(f"durable_path {number or '-'}: {middle} ms; {step} ({who})")
    write_csv("durable_path", ["step", "what", "who", "quartile_1_ms", "p50_ms", "quartile_3_ms"], rows)


async def _load(built: House, olo: AsyncOlo, seconds: float) -> None:
    print("; ".join(f"{part} {built.pid(part)}" for part in built.parts), flush=True)
    over = time.monotonic() + seconds

    async def caller() -> None:
        while time.monotonic() < over:
            await olo.chat(QUESTION)

    await asyncio.gather(*(caller() for _ in range(int(os.environ.get("PATH_CALLERS", "4")))))


def main() -> None:
    asyncio.run(measure())
