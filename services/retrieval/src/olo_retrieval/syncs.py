"""Builds and runs the part of the service that syncs sources; a part of `app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo.retrieval.v1 import source_service_pb2, source_service_pb2_grpc
from olo_common.grpc_server import Registration
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.sql import Database
from olo_common.temporal import TEMPORAL_CONDITION, temporal_worker, worker_version
from olo_contracts.queues import SYNC_QUEUE
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sources.opening import AllowedConnectors
from olo_retrieval.adapters.sql.source_items import SqlItems
from olo_retrieval.adapters.sql.sources import SqlSources
from olo_retrieval.adapters.temporal_sources import TemporalSyncStarter
from olo_retrieval.curation import Curation
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.ports import CollectionStore, DocumentStore, Fetcher
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.source_activities import SyncActivities
from olo_retrieval.source_servicer import SourceServicer
from olo_retrieval.sources.ingesting import SourceIngest
from olo_retrieval.sources.keeping import SourceKeeping
from olo_retrieval.sources.syncing import Syncer
from olo_retrieval.workflows.sync_source import SyncSourceWorkflow

_SYNCS_AT_ONCE = 8
"""Steps of syncs that one process does at the same time."""


@dataclass(frozen=True, slots=True)
class Library:
    """What sources need of the rest of the service."""

    collections: CollectionStore
    documents: DocumentStore
    curation: Curation
    intake: Intake


@dataclass(frozen=True, slots=True)
class Syncing:
    """The parts that sync sources, built and not yet running."""

    activities: SyncActivities
    keeping: SourceKeeping
    registration: Registration


def syncing_of(
    settings: RetrievalSettings, client: Client, database: Database, library: Library, fetcher: Fetcher | None
) -> Syncing:
    """Builds them."""
    sources, starter = SqlSources(database), TemporalSyncStarter(client)
    connectors = AllowedConnectors(_allowed(settings), fetcher)
    ingest = SourceIngest(
        library.documents,
        library.intake,
        library.curation,
        max_document_bytes=settings.max_document_bytes,
        max_file_bytes=settings.max_file_bytes,
    )
    syncer = Syncer(
        sources,
        SqlItems(database),
        library.collections,
        connectors=connectors,
        ingest=ingest,
        starter=starter,
        concurrency=settings.source_concurrency,
    )
    keeping = SourceKeeping(sources, library.collections, connectors, starter)
    registration = Registration(
        source_service_pb2.DESCRIPTOR.services_by_name["SourceService"],
        source_service_pb2_grpc.add_SourceServiceServicer_to_server,
        SourceServicer(library.collections, sources, keeping),
    )
    return Syncing(SyncActivities(syncer), keeping, registration)


@asynccontextmanager
async def running_syncs(
    syncing: Syncing, client: Client, settings: RetrievalSettings, lifetime: Lifetime
) -> AsyncIterator[None]:
    """Runs the worker of syncs, and starts those that were lost, while the context is entered."""
    activities = syncing.activities

    def make_worker() -> Worker:
        return Worker(
            client,
            task_queue=SYNC_QUEUE,
            workflows=[SyncSourceWorkflow],
            activities=[
                activities.begin,
                activities.list,
                activities.ingest,
                activities.delete_missing,
                activities.end,
                activities.fail,
                activities.remove,
            ],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=_SYNCS_AT_ONCE,
            graceful_shutdown_timeout=timedelta(seconds=1),
            **worker_version(settings.temporal, "olo-retrieval"),
        )

    health = Health([TEMPORAL_CONDITION])
    async with (
        temporal_worker(client, make_worker, lifetime=lifetime, health=health),
        background(syncing.keeping.tend(settings.upkeep_seconds), "sources", lifetime),
    ):
        yield


def _allowed(settings: RetrievalSettings) -> Allowed:
    return Allowed(
        roots=_split(settings.source_roots),
        git_hosts=_split(settings.source_git_hosts),
        databases=settings.source_databases,
        subjects=_split(settings.source_subjects),
        cache=settings.source_cache,
        max_documents=settings.source_max_documents,
        max_file_bytes=settings.max_file_bytes,
        max_text_bytes=settings.max_document_bytes,
        nats=settings.nats,
    )


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
