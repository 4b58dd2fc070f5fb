"""Where a run stands among those that wait for its model: an estimate from the statistics of the task queue."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueStats
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from olo.gateway.v1.run_pb2 import Run

_RPC: Final = timedelta(seconds=2)
_MIDDLE_PRIORITY: Final = 3


async def show_place(client: Client, description: WorkflowExecutionDescription, run: Run) -> None:
    """Sets the place in line and the estimated wait of a run whose generation waits for a slot; leaves others alone."""
    # That of the activity is only shown where it is not inherited.
    priority = description.raw_description.workflow_execution_info.priority.priority_key or _MIDDLE_PRIORITY
    for waiting in description.raw_description.pending_activities:
        queue = waiting.activity_options.task_queue.name
        if waiting.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and queue:
            # What cannot be told now is left out: the run itself is what was asked for.
            with contextlib.suppress(RPCError, RuntimeError, TimeoutError):
                async with asyncio.timeout(_RPC.total_seconds()):
                    _show(await _statistics(client, queue), waiting, run, priority)
            return


async def _statistics(client: Client, queue: str) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_stats=True,
    )
    return await client.workflow_service.describe_task_queue(request, timeout=_RPC)


def _show(told: DescribeTaskQueueResponse, waiting: PendingActivityInfo, run: Run, priority: int) -> None:
    waited = (datetime.now(UTC) - waiting.scheduled_time.ToDatetime(UTC)).total_seconds()
    before = sum(stats.approximate_backlog_count for key, stats in told.stats_by_priority_key.items() if key < priority)
    position = before + place_among_equals(told.stats_by_priority_key[priority], waited)
    run.queue_position = max(1, position)
    if (rate := told.stats.tasks_dispatch_rate) > 0:
        run.estimated_wait.FromTimedelta(timedelta(seconds=run.queue_position / rate))


def place_among_equals(stats: TaskQueueStats, waited: float) -> int:
    """The place among tasks of one priority, taken to have come evenly: 1 for the one that has waited longest."""
    oldest = max(stats.approximate_backlog_age.ToTimedelta().total_seconds(), waited, 1e-3)
    return 1 + round((stats.approximate_backlog_count - 1) * (1 - waited / oldest))
