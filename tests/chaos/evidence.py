"""Gathers what is stored once the load is over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution
from tests.chaos.history import History, Stored, Token
from tests.chaos.house import House

from olo.gateway.v1.run_pb2 import Run, RunState
from olo_client import AsyncOlo, NotFoundError

_AT_ONCE = 8


async def gather(house: House, history: History) -> None:
    """Fills in what is stored, and what the engines wrote down."""
    read_journal(house.journal, history)
    client = await Client.connect(house.temporal)
    executions: dict[str, list[WorkflowExecution]] = defaultdict(list)
    async for execution in client.list_workflows("WorkflowType = 'chat'", page_size=500):
        executions[execution.id].append(execution)
    limit = asyncio.Semaphore(_AT_ONCE)
    async with AsyncOlo(house.gateway, timeout=30, attempts=20) as olo:

        async def one(request_id: str) -> None:
            run_id = f"run-{request_id}"
            async with limit:
                try:
                    run = await olo.runs.get(run_id)
                except NotFoundError:
                    history.stored[request_id] = Stored([])
                    return
                stored = history.stored[request_id] = _stored(run)
                # The run itself is the truth; the listing lags behind, but must show no second one.
                stored.states += [_state(run)] * (len(executions[run_id]) - 1)
                stored.completions = await _completions(client, run_id)

        await asyncio.gather(*(one(asked.request_id) for asked in history.asked))


def _stored(run: Run) -> Stored:
    response = run.response
    return Stored(
        states=[_state(run)],
        answer=response.message.content,
        model=response.model,
        reason=run.error.reason,
        attempts=[(attempt.candidate, attempt.failure_reason) for attempt in response.attempts],
    )


def _state(run: Run) -> str:
    return RunState.Name(run.state).removeprefix("RUN_STATE_")


async def _completions(client: Client, run_id: str) -> int:
    events = client.get_workflow_handle(run_id).fetch_history_events()
    return sum([event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED async for event in events])


def read_journal(path: Path, history: History) -> None:
    """Fills in processes, tokens and kills, in the order of their making. A line cut off by a kill is left out."""
    for line in path.read_text().splitlines():
        match line.split():
            case ["P", pid, process]:
                history.processes[int(pid)] = int(process)
            case ["T", moment, process, number, place]:
                history.tokens.append(Token(float(moment), int(process), int(number), int(place)))
            case ["K", _, number]:
                history.kills.append(int(number))
