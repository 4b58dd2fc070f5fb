"""The steps of an ingest as Temporal activities. Only ids go through the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from olo.retrieval.v1.retrieval_service_pb2 import IngestWorkflowInput, IngestWorkflowResult
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_retrieval.errors import IndexIncomplete
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.telemetry import CHUNKS, DOCUMENTS
from olo_retrieval.types import VersionRef
from olo_retrieval.workflows import steps

_HEARTBEAT_SECONDS = 2.0


class IngestActivities:
    """Runs the steps on an indexer."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    @activity.defn(name=steps.INDEX)
    async def index(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        """Writes the points of the version; a later attempt goes on where this one has stopped."""
        details = activity.info().heartbeat_details
        progress = _Progress(int(details[0]) if details else 0)
        async with _failures(), progress.told():
            chunks = await self._indexer.index(_ref(request), progress, progress.done)
        CHUNKS.add(chunks)
        return IngestWorkflowResult(chunk_count=chunks)

    @activity.defn(name=steps.SWAP)
    async def swap(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        """Makes the version the served one."""
        async with _failures():
            await self._indexer.swap(_ref(request))
        DOCUMENTS.add(outcome="served")
        return IngestWorkflowResult()

    @activity.defn(name=steps.REMOVE_STALE)
    async def remove_stale(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        """Removes the points of versions that are not served any more."""
        async with _failures():
            await self._indexer.remove_stale(_ref(request))
        return IngestWorkflowResult()

    @activity.defn(name=steps.MARK_FAILED)
    async def mark_failed(self, request: IngestWorkflowInput) -> IngestWorkflowResult:
        """Says in the row that indexing has failed."""
        async with _failures():
            await self._indexer.fail(_ref(request))
        DOCUMENTS.add(outcome="failed")
        return IngestWorkflowResult()


class _Progress:
    """The number of chunks written, told to Temporal as it grows and, as a sign of life, while a batch takes its time.

    A batch cannot hang: each call in it has a timeout of its own.
    """

    def __init__(self, done: int) -> None:
        self.done = done

    def __call__(self, done: int) -> None:
        self.done = done
        activity.heartbeat(done)

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Tells it every few seconds while the context is entered."""
        task = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            task.cancel()

    async def _tell(self) -> None:
        while True:
            activity.heartbeat(self.done)
            await asyncio.sleep(_HEARTBEAT_SECONDS)


def _ref(request: IngestWorkflowInput) -> VersionRef:
    return VersionRef(request.tenant, request.collection, request.document_id, request.version)


@asynccontextmanager
async def _failures() -> AsyncIterator[None]:
    try:
        yield
    except IndexIncomplete as error:
        # Trying the swap again does not bring the points back: the workflow indexes anew.
        raise to_application_error(error, retryable=False) from error
    except OloError as error:
        raise to_application_error(error) from error
