"""Fetches benchmarks on schedules, by a workflow worker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.settings import TemporalSettings
from olo_common.temporal import TEMPORAL_CONDITION, WorkerVersion, temporal_client, temporal_worker, worker_version
from olo_contracts.queues import REGISTRY_QUEUE
from olo_registry.activities import SyncActivities
from olo_registry.adapters.publishers import open_publishers
from olo_registry.adapters.temporal_schedules import keep_schedules
from olo_registry.benchmarks.facts import Source
from olo_registry.intelligence import Intelligence
from olo_registry.settings import BenchmarkSettings
from olo_registry.workflows.sync import SyncBenchmarksWorkflow


@asynccontextmanager
async def fetching(
    settings: BenchmarkSettings, temporal: TemporalSettings, intelligence: Intelligence, lifetime: Lifetime
) -> AsyncIterator[None]:
    """Fetches while the context is entered. Nobody waits for Temporal: the registry serves without it."""
    client = await temporal_client(temporal, "olo-registry")

    async with AsyncExitStack() as stack:
        publishers = await stack.enter_async_context(open_publishers(settings))
        activities = SyncActivities(intelligence, publishers)
        make_worker = partial(_worker, client, activities, worker_version(temporal, "olo-registry"))
        health = Health([TEMPORAL_CONDITION])
        await stack.enter_async_context(temporal_worker(client, make_worker, lifetime=lifetime, health=health))
        await stack.enter_async_context(background(keep_schedules(client, _every(settings)), "schedules", lifetime))
        yield


def _worker(client: Client, activities: SyncActivities, version: WorkerVersion) -> Worker:
    return Worker(
        client,
        task_queue=REGISTRY_QUEUE,
        workflows=[SyncBenchmarksWorkflow],
        activities=[activities.sync],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=1,
        graceful_shutdown_timeout=timedelta(seconds=1),
        **version,
    )


def _every(settings: BenchmarkSettings) -> dict[Source, timedelta]:
    said = {
        Source.OPENROUTER: (settings.openrouter_url, settings.openrouter_hours),
        Source.LMARENA: (settings.lmarena_url, settings.lmarena_hours),
        Source.HUGGING_FACE: (settings.hugging_face_url, settings.hugging_face_hours),
    }
    return {source: timedelta(hours=hours) for source, (url, hours) in said.items() if url}
