"""The fetch of a source as a Temporal activity."""

from __future__ import annotations

from temporalio import activity

from olo.registry.v1.benchmark_service_pb2 import SyncBenchmarksRequest, SyncBenchmarksResponse
from olo_common.errors import OloError
from olo_common.temporal import to_application_error
from olo_contracts.queues import SYNC_BENCHMARKS_ACTIVITY
from olo_registry.convert_benchmarks import source_of
from olo_registry.intelligence import Intelligence


class SyncActivities:
    """Runs the fetch."""

    def __init__(self, intelligence: Intelligence) -> None:
        self._intelligence = intelligence

    @activity.defn(name=SYNC_BENCHMARKS_ACTIVITY)
    async def sync(self, request: SyncBenchmarksRequest) -> SyncBenchmarksResponse:
        """Asks one source."""
        try:
            state = await self._intelligence.sync(source_of(request.source))
        except OloError as error:
            raise to_application_error(error) from error
        return SyncBenchmarksResponse(records=len(state.records), problem=state.problem)
