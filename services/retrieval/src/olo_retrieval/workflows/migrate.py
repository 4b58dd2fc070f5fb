"""The workflow of a migration: moves it on until it rests, or ends it where it cannot go on."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from olo.retrieval.v1.migration_service_pb2 import MigrateWorkflowInput, MigrateWorkflowResult
    from olo_contracts.queues import MIGRATE_WORKFLOW
    from olo_retrieval.workflows import steps

MOVE_DEADLINE = timedelta(days=7)
"""How long a migration may take, with the time in which parts are away, before it is given up."""
MOVE_HEARTBEAT_TIMEOUT = timedelta(seconds=10)
MOVE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=30)
)
END_TIMEOUT = timedelta(minutes=1)
END_DEADLINE = timedelta(days=7)


@workflow.defn(name=MIGRATE_WORKFLOW)
class MigrateWorkflow:
    """Moves one migration. Its row says what is to be done, so that another run may go on where this one has ended."""

    @workflow.run
    async def run(self, request: MigrateWorkflowInput) -> MigrateWorkflowResult:
        """Gives the state in which the migration rests; fails where it has taken too long, after the row says so."""
        try:
            result: MigrateWorkflowResult = await workflow.execute_activity(
                steps.MOVE_MIGRATION,
                request,
                result_type=MigrateWorkflowResult,
                schedule_to_close_timeout=MOVE_DEADLINE,
                heartbeat_timeout=MOVE_HEARTBEAT_TIMEOUT,
                retry_policy=MOVE_RETRY,
            )
        except ActivityError as error:
            await workflow.execute_activity(
                steps.FAIL_MIGRATION,
                request,
                result_type=MigrateWorkflowResult,
                schedule_to_close_timeout=END_DEADLINE,
                start_to_close_timeout=END_TIMEOUT,
                retry_policy=MOVE_RETRY,
            )
            raise ApplicationError(
                "the collection could not be migrated", type="migration_failed", non_retryable=True
            ) from error
        return result
