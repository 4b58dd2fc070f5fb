"""The workflow that fetches one source of benchmarks; a schedule starts it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from olo.registry.v1.benchmark_service_pb2 import SyncBenchmarksRequest, SyncBenchmarksResponse
    from olo_contracts.queues import SYNC_BENCHMARKS_ACTIVITY, SYNC_BENCHMARKS_WORKFLOW

_ATTEMPT_TIMEOUT = timedelta(minutes=15)
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=3.0,
    maximum_interval=timedelta(minutes=5),
    maximum_attempts=5,
)


@workflow.defn(name=SYNC_BENCHMARKS_WORKFLOW)
class SyncBenchmarksWorkflow:
    """Fetches once, with a few retries; the next start of the schedule tries again."""

    @workflow.run
    async def run(self, request: SyncBenchmarksRequest) -> SyncBenchmarksResponse:
        """Gives what the fetch brought."""
        response: SyncBenchmarksResponse = await workflow.execute_activity(
            SYNC_BENCHMARKS_ACTIVITY,
            request,
            result_type=SyncBenchmarksResponse,
            start_to_close_timeout=_ATTEMPT_TIMEOUT,
            retry_policy=_RETRY,
        )
        return response
