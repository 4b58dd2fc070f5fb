"""Builds the service in the order of its dependencies and takes it down in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo.retrieval.v1 import (
    migration_service_pb2,
    migration_service_pb2_grpc,
    retrieval_service_pb2,
    retrieval_service_pb2_grpc,
)
from olo_common.errors import StartupError, Unavailable
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import nats_bus
from olo_common.sql import Database
from olo_common.temporal import TEMPORAL_CONDITION, build_id, temporal_client, temporal_worker
from olo_common.tls import authorities_in
from olo_contracts.queues import INGEST_QUEUE
from olo_retrieval.activities import IngestActivities
from olo_retrieval.adapters.parser_process import ParseLimits, ParserProcess
from olo_retrieval.adapters.retriever_plugins import all_retrievers
from olo_retrieval.adapters.router_embedder import router_embedder
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.documents import SqlDocuments
from olo_retrieval.adapters.sql.migrating import SqlMigrations
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.versions import SqlVersions
from olo_retrieval.adapters.temporal_starter import TemporalStarter
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.adapters.web_fetcher import WebFetcher
from olo_retrieval.curation import Curation
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.ingestion.recovery import Recovery
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ingestion.upkeep import Upkeep
from olo_retrieval.ingestion.writing import PointWriter
from olo_retrieval.migrating.comparison import Samples
from olo_retrieval.migrating.control import Migrations
from olo_retrieval.migrating.copying import Copier
from olo_retrieval.migrating.migrator import Migrator
from olo_retrieval.migration_activities import MigrationActivities
from olo_retrieval.migration_servicer import MigrationServicer
from olo_retrieval.searching.retrievers import DENSE, HYBRID
from olo_retrieval.searching.searcher import Searcher
from olo_retrieval.servicer import RetrievalServicer
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.syncs import Library, running_syncs, syncing_of
from olo_retrieval.workflows.ingest import IngestWorkflow
from olo_retrieval.workflows.migrate import MigrateWorkflow

_DOCUMENTS = "documents"
_INDEX = "index"
_CHECK_SECONDS = 2.0


@asynccontextmanager
async def running(settings: RetrievalSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Searching does not need Temporal, so Temporal is no condition of health: its absence is logged, and ingests are
    refused with UNAVAILABLE.
    """
    async with AsyncExitStack() as stack:
        health = Health([_DOCUMENTS, _INDEX])
        # Nothing else is said or heard here: what it has to say is in its log, which this tells to gateways.
        await stack.enter_async_context(nats_bus(settings.nats, "olo-retrieval"))
        database = await stack.enter_async_context(document_store(settings.database_url))
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        authorities = authorities_in("OLO_RETRIEVAL_QDRANT_CA_FILE", settings.qdrant_ca_file)
        vectors = await stack.enter_async_context(
            open_vectors(settings.vector_store, key, _index_options(settings), authorities)
        )
        sparse = settings.sparse != "off"
        retrievers, default = all_retrievers(), settings.retriever or (HYBRID if sparse else DENSE)
        if default not in retrievers:
            raise StartupError(f"OLO_RETRIEVAL_RETRIEVER: {default} is none of {', '.join(sorted(retrievers))}")
        embedder = await stack.enter_async_context(
            router_embedder(settings.router_target, timeout=settings.embed_timeout_seconds, tls=settings.tls)
        )
        client = await temporal_client(settings.temporal, identity=f"olo-retrieval@{settings.host}:{settings.port}")
        starter = TemporalStarter(client)

        collections, documents, versions = SqlCollections(database), SqlDocuments(database), SqlVersions(database)
        parser = ParserProcess(
            ParseLimits(settings.parse_seconds, settings.parse_memory_bytes, settings.max_document_bytes)
        )
        fetcher = WebFetcher(settings.max_file_bytes) if settings.fetch_urls else None
        texts = Texts(versions, parser, settings.chunk_tokens, fetcher)
        writer = PointWriter(vectors, embedder, texts, sparse=sparse)
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
            samples=Samples(versions, vectors, embedder),
        )
        migrations = Migrations(
            collections=collections,
            migrations=migration_store,
            versions=versions,
            vectors=vectors,
            embedder=embedder,
            starter=starter,
        )
        recovery = Recovery(collections, versions, vectors, indexer)
        upkeep = Upkeep(
            recovery=recovery,
            versions=versions,
            vectors=vectors,
            starter=starter,
            restart_migrations=migrations.restart_moving,
            report=partial(health.set, _INDEX),
            interval_seconds=settings.upkeep_seconds,
        )
        curation = Curation(collections, documents, versions, vectors, embedder)
        intake = Intake(collections, documents, versions, starter)
        servicer = RetrievalServicer(
            collections=collections,
            documents=documents,
            curation=curation,
            intake=intake,
            searcher=Searcher(
                collections,
                versions,
                vectors,
                embedder,
                recovery.complete,
                retrievers=retrievers,
                default=default,
                sparse=sparse,
            ),
            max_document_bytes=settings.max_document_bytes,
            max_file_bytes=settings.max_file_bytes,
            fetch_urls=settings.fetch_urls,
        )

        syncing = syncing_of(settings, client, database, Library(collections, documents, curation, intake), fetcher)
        make_worker = partial(
            _worker, client, IngestActivities(indexer), MigrationActivities(migrator), settings.index_concurrency
        )
        worker_health = Health([TEMPORAL_CONDITION])
        await stack.enter_async_context(background(_watch(database, health), "documents", lifetime))
        await stack.enter_async_context(temporal_worker(client, make_worker, lifetime=lifetime, health=worker_health))
        await stack.enter_async_context(background(upkeep.run(), "upkeep", lifetime))
        await stack.enter_async_context(running_syncs(syncing, client, settings, lifetime))
        registrations = [*_registrations(servicer, MigrationServicer(migrations)), syncing.registration]
        yield await stack.enter_async_context(grpc_server(settings, registrations, health))


def _worker(
    client: Client, activities: IngestActivities, migration_activities: MigrationActivities, concurrency: int
) -> Worker:
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
        build_id=build_id("olo-retrieval"),
        max_concurrent_activities=concurrency,
        graceful_shutdown_timeout=timedelta(seconds=5),
    )


def _index_options(settings: RetrievalSettings) -> IndexOptions:
    return IndexOptions(
        idf=settings.sparse == "bm25",
        m=settings.hnsw_m,
        ef_construct=settings.hnsw_ef_construct,
        ef=settings.hnsw_ef,
        quantized=settings.quantization == "int8",
    )


def _registrations(servicer: RetrievalServicer, migrations: MigrationServicer) -> list[Registration]:
    return [
        Registration(
            descriptor=retrieval_service_pb2.DESCRIPTOR.services_by_name["RetrievalService"],
            add=retrieval_service_pb2_grpc.add_RetrievalServiceServicer_to_server,
            servicer=servicer,
        ),
        Registration(
            descriptor=migration_service_pb2.DESCRIPTOR.services_by_name["MigrationService"],
            add=migration_service_pb2_grpc.add_MigrationServiceServicer_to_server,
            servicer=migrations,
        ),
    ]


async def _watch(database: Database, health: Health) -> None:
    """Keeps the condition `documents`; a database server that was away at first is migrated when it comes."""
    migrated = database.is_file
    while True:
        try:
            if not migrated:
                await database.migrate()
                migrated = True
            await database.ping()
            await health.set(_DOCUMENTS, True)
        except Unavailable:
            logger(__name__).warning("document_store_unreachable")
            await health.set(_DOCUMENTS, False)
        await asyncio.sleep(_CHECK_SECONDS)
