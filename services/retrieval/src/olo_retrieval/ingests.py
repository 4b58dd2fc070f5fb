"""Builds and runs the part of the service that indexes documents and moves collections; a part of `app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.sql import Database
from olo_common.temporal import TEMPORAL_CONDITION, temporal_worker, worker_version
from olo_contracts.queues import INGEST_QUEUE
from olo_retrieval.activities import IngestActivities
from olo_retrieval.adapters.parser_process import ParseLimits, ParserProcess
from olo_retrieval.adapters.sql.migrating import SqlMigrations
from olo_retrieval.adapters.temporal_starter import TemporalStarter
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.ingestion.recovery import Recovery
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ingestion.upkeep import Upkeep
from olo_retrieval.ingestion.writing import PointWriter
from olo_retrieval.migrating.comparison import Samples
from olo_retrieval.migrating.control import Migrations
from olo_retrieval.migrating.copying import Copier
from olo_retrieval.migrating.migrator import Migrator
from olo_retrieval.migration_activities import MigrationActivities
from olo_retrieval.ports import CollectionStore, Embedder, Fetcher, VectorStore, VersionStore
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.workflows.ingest import IngestWorkflow
from olo_retrieval.workflows.migrate import MigrateWorkflow

INDEX = "index"
"""The condition of health that says whether every point is there."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where documents and points are, and who embeds."""

    collections: CollectionStore
    versions: VersionStore
    vectors: VectorStore
    embedder: Embedder


@dataclass(frozen=True, slots=True)
class Ingesting:
    """The parts that index and move, built and not yet running."""

    activities: IngestActivities
    migration_activities: MigrationActivities
    migrations: Migrations
    recovery: Recovery
    upkeep: Upkeep


def ingesting_of(
    settings: RetrievalSettings,
    shelves: Shelves,
    *,
    database: Database,
    starter: TemporalStarter,
    fetcher: Fetcher | None,
    health: Health,
) -> Ingesting:
    """Builds them; `health` is told whether every point is there."""
    collections, versions, vectors = shelves.collections, shelves.versions, shelves.vectors
    parser = ParserProcess(
        ParseLimits(settings.parse_seconds, settings.parse_memory_bytes, settings.max_document_bytes)
    )
    texts = Texts(versions, parser, settings.chunk_tokens, fetcher)
    writer = PointWriter(vectors, shelves.embedder, texts, sparse=settings.sparse != "off")
    migration_store = SqlMigrations(database)
    copier = Copier(migration_store, versions, vectors, writer)
    indexer = Indexer(
        collections=collections, versions=versions, vectors=vectors, texts=texts, writer=writer, copier=copier
    )
    migrator = Migrator(
        collections=collections,
        migrations=migration_store,
        versions=versions,
        vectors=vectors,
        copier=copier,
        samples=Samples(versions, vectors, shelves.embedder),
    )
    migrations = Migrations(
        collections=collections,
        migrations=migration_store,
        versions=versions,
        vectors=vectors,
        embedder=shelves.embedder,
        starter=starter,
    )
    recovery = Recovery(collections, versions, vectors, indexer)
    upkeep = Upkeep(
        recovery=recovery,
        versions=versions,
        vectors=vectors,
        starter=starter,
        restart_migrations=migrations.restart_moving,
        report=partial(health.set, INDEX),
        interval_seconds=settings.upkeep_seconds,
    )
    return Ingesting(IngestActivities(indexer), MigrationActivities(migrator), migrations, recovery, upkeep)


@asynccontextmanager
async def running_ingests(
    ingesting: Ingesting, client: Client, settings: RetrievalSettings, lifetime: Lifetime
) -> AsyncIterator[None]:
    """Runs the worker of ingests and migrations, and the upkeep, while the context is entered."""
    activities, migration_activities = ingesting.activities, ingesting.migration_activities

    def make_worker() -> Worker:
        return Worker(
            client,
            task_queue=INGEST_QUEUE,
            workflows=[IngestWorkflow, MigrateWorkflow],
            activities=[
                activities.index,
                activities.swap,
                activities.remove_stale,
                activities.mark_failed,
                migration_activities.move,
                migration_activities.fail,
            ],
            # The sandbox imports everything anew for each workflow; tests use it, production trusts them.
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=settings.index_concurrency,
            graceful_shutdown_timeout=timedelta(seconds=5),
            **worker_version(settings.temporal, "olo-retrieval"),
        )

    health = Health([TEMPORAL_CONDITION])
    async with (
        temporal_worker(client, make_worker, lifetime=lifetime, health=health),
        background(ingesting.upkeep.run(), "upkeep", lifetime),
    ):
        yield
