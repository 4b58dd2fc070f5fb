"""The Temporal worker that runs batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common.temporal import WorkerVersion
from olo_contracts.queues import BATCH_QUEUE
from olo_gateway.batch_activities import BEAT_SECONDS, BatchActivities
from olo_gateway.workflows.batch import BatchWorkflow

_MAX_WORKFLOW_TASKS: Final = 16
_MAX_POLLS: Final = 2
"""Batches are in no hurry, and each poll is a connection that the server keeps."""


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
        max_concurrent_workflow_tasks=_MAX_WORKFLOW_TASKS,
        max_concurrent_workflow_task_polls=_MAX_POLLS,
        max_concurrent_activity_task_polls=_MAX_POLLS,
        # A line hears with a heartbeat that it is cancelled.
        max_heartbeat_throttle_interval=timedelta(seconds=BEAT_SECONDS),
        graceful_shutdown_timeout=timedelta(seconds=grace_seconds),
        **version,
    )
