"""The Temporal workers: one that runs chat and shadow workflows, and one that runs batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common.payload_room import PAST_THE_LIMIT
from olo_common.temporal import WorkerVersion
from olo_contracts.queues import BATCH_QUEUE, CHAT_QUEUE
from olo_gateway.activities.batch import BEAT_SECONDS, BatchActivities
from olo_gateway.activities.chat import ChatActivities
from olo_gateway.activities.shadow import ShadowActivities
from olo_gateway.workflows.batch import BatchWorkflow
from olo_gateway.workflows.chat import ChatWorkflow
from olo_gateway.workflows.shadow import ShadowWorkflow

_MAX_LOCAL_ACTIVITIES: Final = 256
"""As many as workflow tasks at most: a run has one step at a time."""
_MAX_POLLS: Final = 8
_MAX_CACHED_WORKFLOWS: Final = 1000
_MAX_BATCH_TASKS: Final = 16
_MAX_BATCH_POLLS: Final = 2
"""Batches are in no hurry, and each poll is a connection that the server keeps."""


def chat_worker(
    client: Client,
    activities: ChatActivities,
    shadows: ShadowActivities,
    *,
    version: WorkerVersion,
    concurrency: int,
    grace_seconds: float,
) -> Worker:
    """A worker on the chat queue.

    Args:
        client: The client that also starts the runs, so that they begin without a round trip.
        activities: The local activities of runs.
        shadows: The local activity of shadows.
        version: Which version it is.
        concurrency: Workflow tasks that run at once.
        grace_seconds: How long steps may take to finish when the worker shuts down.
    """
    return Worker(
        client,
        task_queue=CHAT_QUEUE,
        workflows=[ChatWorkflow, ShadowWorkflow],
        activities=[activities.retrieve, activities.select, activities.get_model, shadows.mirror],
        # The sandbox nearly doubles the cost of a run; tests run the workflow inside it and replay recorded histories.
        workflow_runner=UnsandboxedWorkflowRunner(),
        # A bug fails the run; without this, Temporal would try its step again until the deadline. The worker is told,
        # and not the workflow, so that a replay still reports a changed workflow instead of failing the run with it.
        workflow_failure_exception_types=[Exception],
        max_concurrent_workflow_tasks=concurrency,
        # A poll holds a slot; those beyond the polls are for runs that are started here, which need no poll then.
        max_concurrent_workflow_task_polls=min(_MAX_POLLS, max(2, concurrency // 4)),
        nonsticky_to_sticky_poll_ratio=0.5,
        max_concurrent_local_activities=_MAX_LOCAL_ACTIVITIES,
        max_cached_workflows=_MAX_CACHED_WORKFLOWS,
        no_remote_activities=True,
        graceful_shutdown_timeout=timedelta(seconds=grace_seconds),
        # What a run says that is too large ends it at once.
        **PAST_THE_LIMIT,
        **version,
    )


def batch_worker(
    client: Client, activities: BatchActivities, *, version: WorkerVersion, lines: int, grace_seconds: float
) -> Worker:
    """A worker on the queue of batches.

    Args:
        client: The client.
        activities: What batches do.
        version: Which version it is.
        lines: Lines that are in flight at once.
        grace_seconds: How long they may take to finish when the worker shuts down.
    """
    return Worker(
        client,
        task_queue=BATCH_QUEUE,
        workflows=[BatchWorkflow],
        activities=[
            activities.validate,
            activities.answer,
            activities.collect,
            activities.save,
            activities.clear,
        ],
        # As for chats: replays run in the sandbox, in tests.
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_failure_exception_types=[Exception],
        max_concurrent_activities=lines,
        max_concurrent_workflow_tasks=_MAX_BATCH_TASKS,
        max_concurrent_workflow_task_polls=_MAX_BATCH_POLLS,
        max_concurrent_activity_task_polls=_MAX_BATCH_POLLS,
        # A line hears with a heartbeat that it is cancelled.
        max_heartbeat_throttle_interval=timedelta(seconds=BEAT_SECONDS),
        graceful_shutdown_timeout=timedelta(seconds=grace_seconds),
        **version,
    )
