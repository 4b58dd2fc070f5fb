"""Asks Temporal how many requests wait in the queues of full models: beside the decisions, never for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from olo_common.occasional_log import OccasionalWarning
from olo_router.ports import Waited
from olo_router.types import Backlog

_AT_ONCE: Final = 4
_MOST_QUEUES: Final = 200
_TIMEOUT: Final = timedelta(seconds=2)


async def watch_backlogs(client: Client, waited: Waited, pause_seconds: float) -> None:
    """Asks for ever. Where Temporal is away, nobody is known to wait."""
    away = OccasionalWarning("backlogs_unknown")
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            waited.waiting(await _backlogs(client, waited.full_queues()))
        except (RPCError, RuntimeError) as error:
            waited.waiting({})
            away(problem=type(error).__name__)


async def _backlogs(client: Client, queues: Mapping[str, str]) -> dict[str, Backlog]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def backlog(queue: str) -> Backlog:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
        async with slots:
            described = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
        stats = described.stats
        return Backlog(stats.approximate_backlog_count, stats.approximate_backlog_age.ToTimedelta().total_seconds())

    asked = dict(islice(queues.items(), _MOST_QUEUES))
    found = await asyncio.gather(*(backlog(queue) for queue in asked.values()))
    return {model_id: each for model_id, each in zip(asked, found, strict=True) if each.count}
