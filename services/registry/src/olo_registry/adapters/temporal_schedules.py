"""Temporal schedules, one for each source that is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from olo.registry.v1.benchmark_service_pb2 import SyncBenchmarksRequest
from olo_common.logs import logger
from olo_contracts.queues import REGISTRY_QUEUE, SYNC_BENCHMARKS_WORKFLOW
from olo_registry.benchmarks.facts import Source

_PAUSE_SECONDS = 5.0
_LONGEST = timedelta(hours=1)
_CATCH_UP = timedelta(minutes=10)


async def keep_schedules(client: Client, every: Mapping[Source, timedelta]) -> None:
    """Makes the schedules what the settings say, as soon as Temporal answers; a source that is not asked has none."""
    for source in Source:
        while True:
            try:
                await _settle(client, source, every.get(source))
            except (RPCError, RuntimeError) as error:
                logger(__name__).warning("schedules_wait_for_temporal", error=type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                break


async def _settle(client: Client, source: Source, every: timedelta | None) -> None:
    name = f"sync-benchmarks-{source.value}"
    if every is None:
        try:
            await client.get_schedule_handle(name).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return
    schedule = _schedule(name, source, every)
    try:
        # At once, too: a new registry knows nothing yet.
        await client.create_schedule(name, schedule, trigger_immediately=True)
    except ScheduleAlreadyRunningError:

        def changed(known: ScheduleUpdateInput) -> ScheduleUpdate:
            # An operator may have paused it.
            schedule.state = known.description.schedule.state
            return ScheduleUpdate(schedule)

        await client.get_schedule_handle(name).update(changed)


def _schedule(name: str, source: Source, every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SYNC_BENCHMARKS_WORKFLOW,
            SyncBenchmarksRequest(source=source.value),
            id=name,
            task_queue=REGISTRY_QUEUE,
            # A registry that fetches no more leaves the schedule behind: nothing may wait for it for ever.
            execution_timeout=_LONGEST,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)], jitter=every / 20),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )
