"""Tasks for models: what every workflow that has a model generate says to Temporal."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse
from olo_contracts.queues import GENERATE_ACTIVITY

FREE_SLOT_TIMEOUT: Final = timedelta(seconds=5)
"""How long a model that had a free slot may take to begin; then it is taken for dead."""
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=4)


async def generated(task: GenerateRequest, queue: str, *, begin: timedelta, end: timedelta) -> GenerateResponse:
    """Has a model generate, once: whether it is tried again is for the workflow to say.

    Args:
        task: What is asked of it.
        queue: Its task queue.
        begin: How long the task may wait there.
        end: How long it may take in all.

    Raises:
        ActivityError: What became of it.
    """
    response: GenerateResponse = await workflow.execute_activity(
        GENERATE_ACTIVITY,
        task,
        result_type=GenerateResponse,
        task_queue=queue,
        schedule_to_start_timeout=begin,
        start_to_close_timeout=end,
        schedule_to_close_timeout=end,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
    return response
