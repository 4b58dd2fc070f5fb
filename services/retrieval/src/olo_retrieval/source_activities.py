"""The steps of a sync as Temporal activities. What a source holds never goes through the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from olo.retrieval.v1.source_service_pb2 import SyncStepInput, SyncWorkflowResult
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_retrieval.sources.model import SyncState
from olo_retrieval.sources.syncing import Syncer
from olo_retrieval.telemetry import SYNCS
from olo_retrieval.workflows import steps

_HEARTBEAT_SECONDS = 2.0


class SyncActivities:
    """Runs the steps on a syncer."""

    def __init__(self, syncer: Syncer) -> None:
        self._syncer = syncer

    @activity.defn(name=steps.BEGIN_SYNC)
    async def begin(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Gives the sync its number."""
        info = activity.info()
        async with _failures():
            number, removing = await self._syncer.begin(
                step.source.source_uid, info.workflow_run_id or "", step.source.schedule_id
            )
        return SyncWorkflowResult(number=number, removing=removing)

    @activity.defn(name=steps.LIST_SOURCE)
    async def list(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Keeps what the source has."""
        async with _failures(), _alive():
            await self._syncer.list(step.source.source_uid, step.number)
        return SyncWorkflowResult()

    @activity.defn(name=steps.INGEST_CHANGED)
    async def ingest(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Ingests what has changed; a later attempt goes on where this one has stopped."""
        async with _failures(), _alive():
            await self._syncer.ingest(step.source.source_uid, step.number)
        return SyncWorkflowResult()

    @activity.defn(name=steps.DELETE_MISSING)
    async def delete_missing(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Deletes what has disappeared."""
        async with _failures(), _alive():
            await self._syncer.delete_missing(step.source.source_uid, step.number)
        return SyncWorkflowResult()

    @activity.defn(name=steps.END_SYNC)
    async def end(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Ends a sync that got through."""
        async with _failures():
            await self._syncer.end(step.source.source_uid, step.number, SyncState.SUCCEEDED)
        SYNCS.add(outcome="succeeded")
        return SyncWorkflowResult()

    @activity.defn(name=steps.FAIL_SYNC)
    async def fail(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Ends a sync that did not."""
        async with _failures():
            await self._syncer.end(step.source.source_uid, step.number, SyncState.FAILED)
        SYNCS.add(outcome="failed")
        return SyncWorkflowResult()

    @activity.defn(name=steps.REMOVE_SOURCE)
    async def remove(self, step: SyncStepInput) -> SyncWorkflowResult:
        """Deletes the source."""
        async with _failures(), _alive():
            await self._syncer.remove(step.source.source_uid, step.number)
        return SyncWorkflowResult()


@asynccontextmanager
async def _alive() -> AsyncIterator[None]:
    """Tells Temporal every few seconds that the step is alive; how far it is stands in its rows."""

    async def tell() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _failures() -> AsyncIterator[None]:
    try:
        yield
    except OloError as error:
        raise to_application_error(error) from error
