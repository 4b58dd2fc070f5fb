"""The backlogs of task queues, from Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from olo_gateway.ports import Backlog

_RPC: Final = timedelta(seconds=2)
_AT_ONCE: Final = 16


class TemporalBacklogs:
    """Asks Temporal, each time; a queue that cannot be told holds nobody up."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of(self, queues: Sequence[str]) -> Mapping[str, Backlog | None]:
        """See `ports.Backlogs`."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def told(queue: str) -> Backlog | None:
            async with turn:
                return await self._one(queue)

        return dict(zip(queues, await asyncio.gather(*map(told, queues)), strict=True))

    async def _one(self, queue: str) -> Backlog | None:
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
        try:
            # A client that has never been connected connects first, which its own timeout does not cover.
            async with asyncio.timeout(_RPC.total_seconds()):
                answer = await self._client.workflow_service.describe_task_queue(request, timeout=_RPC)
        except (RPCError, RuntimeError, TimeoutError):
            return None
        return Backlog(
            waiting=answer.stats.approximate_backlog_count,
            oldest=answer.stats.approximate_backlog_age.ToTimedelta().total_seconds(),
            added=answer.stats.tasks_add_rate,
            dispatched=answer.stats.tasks_dispatch_rate,
            pollers=len(answer.pollers),
        )
