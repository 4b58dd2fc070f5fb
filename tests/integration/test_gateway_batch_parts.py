"""Parts of a batch whose history is filled by those who steer it, on a real Temporal that suggests to go on early."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tests.integration.gateway_world import HISTORIES, RECORD, key

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_contracts import queues
from olo_gateway.workflows.batch import BatchWorkflow
from olo_testing.histories import recorded
from olo_testing.servers import temporal_server
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

_SUGGESTED_AFTER = 60
"""Events."""


@pytest.fixture(scope="module")
def early_temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    setting = f"limit.historyCount.suggestContinueAsNew={_SUGGESTED_AFTER}"
    with temporal_server(tmp_path_factory.mktemp("temporal"), in_memory=True, dynamic_config=[setting]) as address:
        yield address


class Lines:
    """Does the work of batches in memory; lines end when they are let go."""

    def __init__(self) -> None:
        self.begun = Counter[int]()
        self.go = asyncio.Event()

    @activity.defn(name=queues.ANSWER_LINE_ACTIVITY)
    async def answer(self, line: pb.BatchLine) -> pb.BatchLineResult:
        self.begun[line.line] += 1
        while not self.go.is_set():
            activity.heartbeat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.go.wait(), 0.5)
        return pb.BatchLineResult(succeeded=True)

    @activity.defn(name=queues.SAVE_BATCH_ACTIVITY)
    async def save(self, work: pb.BatchWork) -> pb.BatchWork:
        return pb.BatchWork()

    @activity.defn(name=queues.CLEAR_BATCH_ACTIVITY)
    async def clear(self, work: pb.BatchWork) -> pb.BatchWork:
        return pb.BatchWork()

    @activity.defn(name=queues.COLLECT_BATCH_ACTIVITY)
    async def collect(self, end: pb.BatchEnd) -> pb.Batch:
        return pb.Batch(completed_count=len(self.begun))


@pytest.fixture
async def client(early_temporal: str) -> Client:
    found: list[Client] = []

    async def answers() -> bool:
        try:
            found[:] = [await Client.connect(early_temporal)]
            await found[0].count_workflows()
        except Exception:
            return False
        return True

    await until(answers)
    return found[0]


@pytest.fixture
async def lines(client: Client) -> AsyncIterator[Lines]:
    made = Lines()
    async with Worker(
        client,
        task_queue=queues.BATCH_QUEUE,
        workflows=[BatchWorkflow],
        activities=[made.answer, made.save, made.clear, made.collect],
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_failure_exception_types=[Exception],
    ):
        yield made


async def test_a_batch_that_is_paused_again_and_again_goes_on_in_a_further_part(client: Client, lines: Lines) -> None:
    batch = pb.Batch(batch_id=f"batch_{key()}", status=pb.BATCH_STATUS_IN_PROGRESS, total_count=3)
    batch.create_time.GetCurrentTime()
    batch.completion_window.FromSeconds(3600)
    handle = await client.start_workflow(
        BatchWorkflow.run,
        pb.BatchWork(batch=batch, window=1, lines_per_part=1000),
        id=batch.batch_id,
        task_queue=queues.BATCH_QUEUE,
    )
    first = client.get_workflow_handle(batch.batch_id, run_id=handle.first_execution_run_id)

    async def full() -> bool:
        await handle.signal(queues.PAUSE_BATCH_SIGNAL)
        return (await first.describe()).history_length > _SUGGESTED_AFTER + 10

    async def gone_on() -> bool:
        return (await handle.describe()).run_id != first.run_id

    await until(lambda: bool(lines.begun), 60)
    await until(full, 60)
    # What is in flight is waited for: it is neither cut off nor begun twice.
    assert not await gone_on()
    lines.go.set()
    await until(gone_on, 60)
    assert lines.begun == {0: 1}
    await handle.signal(queues.RESUME_BATCH_SIGNAL)
    ended = await client.get_workflow_handle(batch.batch_id, result_type=pb.Batch).result()
    assert (ended.status, ended.completed_count) == (pb.BATCH_STATUS_COMPLETED, 3)
    assert lines.begun == {0: 1, 1: 1, 2: 1}
    path: Path = HISTORIES / "batch_cut_short.json"
    if RECORD and not path.exists():
        path.write_text(recorded(await first.fetch_history()))
