"""The ingest workflow: index a version where nobody sees it, swap it in, remove what it replaces."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from olo.retrieval.v1.retrieval_service_pb2 import IngestWorkflowInput, IngestWorkflowResult
    from olo_common.failures import from_failure
    from olo_common.payload_errors import UNREADABLE
    from olo_contracts.queues import INGEST_WORKFLOW
    from olo_retrieval.workflows import steps

INDEX_DEADLINE = timedelta(hours=1)
"""How long an embedding model may be away before a document is given up."""
INDEX_ATTEMPT_TIMEOUT = timedelta(minutes=30)
INDEX_HEARTBEAT_TIMEOUT = timedelta(seconds=10)
INDEX_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
)
KEY_PAUSE = timedelta(seconds=10)
ROW_TIMEOUT = timedelta(seconds=10)
ROW_DEADLINE = timedelta(days=1)
ROW_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=30)
)
MOST_ROUNDS = 5
"""How often a version is indexed anew because the vector store has lost it before the swap."""

INDEX_INCOMPLETE = "index_incomplete"


@workflow.defn(name=INGEST_WORKFLOW)
class IngestWorkflow:
    """Indexes one version of one document."""

    @workflow.run
    async def run(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        """Gives the number of chunks; fails where indexing has, after the document says why."""
        try:
            result = await self._index_and_swap(request)
        except ActivityError as error:
            await self._row_step(steps.MARK_FAILED, request)
            raise ApplicationError(
                "the document could not be indexed", type="ingest_failed", non_retryable=True
            ) from error
        await self._row_step(steps.REMOVE_STALE, request)
        return result

    async def _index_and_swap(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        for round_number in range(1, MOST_ROUNDS + 1):
            result = await self._index(request)
            try:
                await self._row_step(steps.SWAP, request)
            except ActivityError as error:
                if not _is_incomplete(error) or round_number == MOST_ROUNDS:
                    raise
                continue
            break
        return result

    async def _index(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        deadline = workflow.now() + INDEX_DEADLINE
        while True:
            try:
                indexed: IngestWorkflowResult = await workflow.execute_activity(
                    steps.INDEX,
                    request,
                    result_type=IngestWorkflowResult,
                    schedule_to_close_timeout=INDEX_DEADLINE,
                    start_to_close_timeout=INDEX_ATTEMPT_TIMEOUT,
                    heartbeat_timeout=INDEX_HEARTBEAT_TIMEOUT,
                    retry_policy=INDEX_RETRY,
                )
            except ActivityError as error:
                # The SDK gives an activity up whose last heartbeat its worker cannot read: that worker lacks a key.
                if from_failure(error).reason not in UNREADABLE or workflow.now() > deadline:
                    raise
                await workflow.sleep(KEY_PAUSE)
            else:
                return indexed

    async def _row_step(self, name: str, request: IngestWorkflowInput) -> None:
        await workflow.execute_activity(
            name,
            request,
            result_type=IngestWorkflowResult,
            schedule_to_close_timeout=ROW_DEADLINE,
            start_to_close_timeout=ROW_TIMEOUT,
            retry_policy=ROW_RETRY,
        )


def _is_incomplete(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.type == INDEX_INCOMPLETE
