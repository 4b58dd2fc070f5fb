"""The fetch of a source as a Temporal activity."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity

from olo.registry.v1.benchmark_service_pb2 import SyncBenchmarksRequest, SyncBenchmarksResponse
from olo_common.errors import InvalidField, OloError
from olo_common.failures import to_application_error
from olo_contracts.queues import SYNC_BENCHMARKS_ACTIVITY
from olo_registry.benchmarks.facts import Source, SourceState
from olo_registry.convert_benchmarks import source_of
from olo_registry.intelligence import Intelligence
from olo_registry.ports import Publisher
from olo_registry.telemetry import SYNCS


class SyncActivities:
    """Runs the fetch."""

    def __init__(self, intelligence: Intelligence, publishers: Mapping[Source, Publisher]) -> None:
        self._intelligence = intelligence
        self._publishers = publishers

    @activity.defn(name=SYNC_BENCHMARKS_ACTIVITY)
    async def sync(self, request: SyncBenchmarksRequest) -> SyncBenchmarksResponse:
        """Asks one source."""
        try:
            source = source_of(request.source)
            if source not in self._publishers:
                raise InvalidField("source", "is not one that is asked")
            state = await self._fetched(source)
        except OloError as error:
            raise to_application_error(error) from error
        return SyncBenchmarksResponse(records=len(state.records), problem=state.problem)

    async def _fetched(self, source: Source) -> SourceState:
        try:
            state = await self._intelligence.sync(source, self._publishers[source])
        except OloError:
            SYNCS.add(source=source.value, outcome="failed")
            raise
        SYNCS.add(source=source.value, outcome="rejected" if state.problem else "succeeded")
        return state
