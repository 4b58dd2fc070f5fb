"""The workflow that syncs one source: list, ingest what has changed, delete what has disappeared."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from olo.retrieval.v1.source_service_pb2 import SyncStepInput, SyncWorkflowInput, SyncWorkflowResult
    from olo_contracts.queues import SYNC_SOURCE_WORKFLOW
    from olo_retrieval.workflows import steps

LONG_STEP_DEADLINE = timedelta(days=7)
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
LIST_DEADLINE = timedelta(minutes=30)
"""How long a source may be away before its sync is given up; the next one tries again."""
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
ROW_TIMEOUT = timedelta(seconds=30)
ROW_DEADLINE = timedelta(days=1)
ROW_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=30)
)


@workflow.defn(name=SYNC_SOURCE_WORKFLOW)
class SyncSourceWorkflow:
    """Syncs one source once, or removes it."""

    @workflow.run
    async def run(self, request: SyncWorkflowInput) -> SyncWorkflowResult:
        """Gives what it has done; fails where the source could not be read, after its row says why."""
        begun = await _row_step(steps.BEGIN_SYNC, SyncStepInput(source=request))
        step = SyncStepInput(source=request, number=begun.number)
        if begun.removing:
            await _long_step(steps.REMOVE_SOURCE, step, LONG_STEP_DEADLINE)
        elif begun.number:
            try:
                await _long_step(steps.LIST_SOURCE, step, LIST_DEADLINE)
                await _long_step(steps.INGEST_CHANGED, step, LONG_STEP_DEADLINE)
                await _long_step(steps.DELETE_MISSING, step, LONG_STEP_DEADLINE)
            except ActivityError as error:
                await _row_step(steps.FAIL_SYNC, step)
                raise ApplicationError(
                    "the source could not be synced", type="sync_failed", non_retryable=True
                ) from error
            await _row_step(steps.END_SYNC, step)
        return begun


async def _row_step(name: str, step: SyncStepInput) -> SyncWorkflowResult:
    result: SyncWorkflowResult = await workflow.execute_activity(
        name,
        step,
        result_type=SyncWorkflowResult,
        schedule_to_close_timeout=ROW_DEADLINE,
        start_to_close_timeout=ROW_TIMEOUT,
        retry_policy=ROW_RETRY,
    )
    return result


async def _long_step(name: str, step: SyncStepInput, deadline: timedelta) -> None:
    await workflow.execute_activity(
        name,
        step,
        result_type=SyncWorkflowResult,
        schedule_to_close_timeout=deadline,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RETRY,
    )
