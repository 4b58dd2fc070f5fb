"""Builds the service in the order of its dependencies and takes it down in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from olo.retrieval.v1 import (
    migration_service_pb2,
    migration_service_pb2_grpc,
    retrieval_service_pb2,
    retrieval_service_pb2_grpc,
    transfer_service_pb2,
    transfer_service_pb2_grpc,
)
from olo_common.errors import StartupError, Unavailable
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import nats_bus
from olo_common.sql import Database
from olo_common.temporal import temporal_client
from olo_common.tls import authorities_in
from olo_retrieval.adapters.retriever_plugins import all_retrievers
from olo_retrieval.adapters.router_embedder import router_embedder
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.documents import SqlDocuments
from olo_retrieval.adapters.sql.portable import SqlPortable
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.versions import SqlVersions
from olo_retrieval.adapters.temporal_starter import TemporalStarter
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.adapters.web_fetcher import WebFetcher
from olo_retrieval.curation import Curation
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.ingests import INDEX, Shelves, ingesting_of, running_ingests
from olo_retrieval.migration_servicer import MigrationServicer
from olo_retrieval.portable.exporting import Exporter
from olo_retrieval.portable.importing import Importer, ImportLimits
from olo_retrieval.searching.retrievers import DENSE, HYBRID
from olo_retrieval.searching.searcher import Searcher
from olo_retrieval.servicer import RetrievalServicer
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.syncs import Library, running_syncs, syncing_of
from olo_retrieval.transfer_servicer import TransferServicer

_DOCUMENTS = "documents"
_CHECK_SECONDS = 2.0


@asynccontextmanager
async def running(settings: RetrievalSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Searching does not need Temporal, so Temporal is no condition of health: its absence is logged, and ingests are
    refused with UNAVAILABLE.
    """
    async with AsyncExitStack() as stack:
        health = Health([_DOCUMENTS, INDEX])
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
        fetcher = WebFetcher(settings.max_file_bytes) if settings.fetch_urls else None
        shelves = Shelves(collections, versions, vectors, embedder)
        ingesting = ingesting_of(settings, shelves, database=database, starter=starter, fetcher=fetcher, health=health)
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
                ingesting.recovery.complete,
                retrievers=retrievers,
                default=default,
                sparse=sparse,
            ),
            max_document_bytes=settings.max_document_bytes,
            max_file_bytes=settings.max_file_bytes,
            fetch_urls=settings.fetch_urls,
        )

        portable = SqlPortable(database)
        transfers = TransferServicer(
            Exporter(collections, portable, vectors, sparse=settings.sparse),
            Importer(
                collections=collections,
                store=portable,
                documents=documents,
                versions=versions,
                vectors=vectors,
                embedder=embedder,
                starter=starter,
                sparse=settings.sparse,
                retrievers=list(retrievers),
                limits=ImportLimits(settings.max_import_bytes, settings.max_document_bytes, settings.max_file_bytes),
            ),
        )
        syncing = syncing_of(settings, client, database, Library(collections, documents, curation, intake), fetcher)
        await stack.enter_async_context(background(_watch(database, health), "documents", lifetime))
        await stack.enter_async_context(running_ingests(ingesting, client, settings, lifetime))
        await stack.enter_async_context(running_syncs(syncing, client, settings, lifetime))
        own = registrations(servicer, MigrationServicer(ingesting.migrations), transfers)
        yield await stack.enter_async_context(grpc_server(settings, [*own, syncing.registration], health))


def _index_options(settings: RetrievalSettings) -> IndexOptions:
    return IndexOptions(
        idf=settings.sparse == "bm25",
        m=settings.hnsw_m,
        ef_construct=settings.hnsw_ef_construct,
        ef=settings.hnsw_ef,
        quantized=settings.quantization == "int8",
    )


def registrations(
    servicer: RetrievalServicer, migrations: MigrationServicer, transfers: TransferServicer
) -> list[Registration]:
    """What is served beside the sources of `syncs`."""
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
        Registration(
            descriptor=transfer_service_pb2.DESCRIPTOR.services_by_name["TransferService"],
            add=transfer_service_pb2_grpc.add_TransferServiceServicer_to_server,
            servicer=transfers,
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
