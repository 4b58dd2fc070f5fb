"""What the router asks Temporal about the queues of full models, and what it believes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.service import RPCError, RPCStatusCode

from olo_router.adapters.temporal_backlogs import watch_backlogs
from olo_router.types import Backlog


class Queues:
    """A Temporal that knows some queues, and who hears of them."""

    namespace = "default"

    def __init__(self, queues: dict[str, tuple[int, float]]) -> None:
        self.queues = queues
        self.away = False
        self.heard: asyncio.Queue[Mapping[str, Backlog]] = asyncio.Queue()

    @property
    def workflow_service(self) -> Queues:
        return self

    async def describe_task_queue(self, request: DescribeTaskQueueRequest, **_: Any) -> DescribeTaskQueueResponse:
        if self.away:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        assert request.report_stats
        count, oldest = self.queues[request.task_queue.name]
        answer = DescribeTaskQueueResponse()
        answer.stats.approximate_backlog_count = count
        answer.stats.approximate_backlog_age.FromTimedelta(timedelta(seconds=oldest))
        return answer

    def full_queues(self) -> Mapping[str, str]:
        return {name.removeprefix("llm."): name for name in self.queues}

    def waiting(self, backlogs: Mapping[str, Backlog]) -> None:
        self.heard.put_nowait(backlogs)


async def test_the_queues_of_full_models_are_told_with_their_age_until_temporal_is_away() -> None:
    queues = Queues({"llm.a": (3, 2.5), "llm.b": (0, 0.0)})
    watching = asyncio.create_task(watch_backlogs(queues, queues, 0.0))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(30):
            assert await queues.heard.get() == {"a": Backlog(3, 2.5)}
            queues.away = True
            while await queues.heard.get() != {}:
                pass
    finally:
        watching.cancel()
