"""What callers see of the gateway: its HTTP side is served here, its gRPC side is given to the server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import grpc
from temporalio.client import Client

from olo.gateway.v1.batch_service_pb2 import DESCRIPTOR as BATCH_FILE
from olo.gateway.v1.batch_service_pb2_grpc import add_BatchServiceServicer_to_server
from olo.gateway.v1.file_service_pb2 import DESCRIPTOR as FILE_FILE
from olo.gateway.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from olo.gateway.v1.gateway_service_pb2 import DESCRIPTOR as GATEWAY_FILE
from olo.gateway.v1.gateway_service_pb2_grpc import add_GatewayServiceServicer_to_server
from olo.registry.v1.benchmark_service_pb2 import DESCRIPTOR as BENCHMARK_FILE
from olo.registry.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from olo.registry.v1.registry_service_pb2 import DESCRIPTOR as REGISTRY_FILE
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.retrieval.v1.migration_service_pb2 import DESCRIPTOR as MIGRATION_FILE
from olo.retrieval.v1.retrieval_service_pb2 import DESCRIPTOR as RETRIEVAL_FILE
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.retrieval.v1.source_service_pb2 import DESCRIPTOR as SOURCE_FILE
from olo.retrieval.v1.transfer_service_pb2 import DESCRIPTOR as TRANSFER_FILE
from olo.retrieval.v1.transfer_service_pb2_grpc import TransferServiceStub, add_TransferServiceServicer_to_server
from olo.router.v1.router_service_pb2 import DESCRIPTOR as ROUTER_FILE
from olo.router.v1.router_service_pb2_grpc import RouterServiceStub
from olo_common.grpc_server import Registration
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_common.tls import server_files
from olo_gateway.adapters.collection_files import CollectionFiles
from olo_gateway.adapters.inspected_models import InspectedModels
from olo_gateway.adapters.registry_catalogue import RegistryCatalogue
from olo_gateway.adapters.registry_fleet import RegistryFleet
from olo_gateway.adapters.retrieval_documents import RetrievalDocuments
from olo_gateway.adapters.routed_embedding import RoutedEmbedding
from olo_gateway.adapters.routed_instances import RoutedInstances
from olo_gateway.adapters.routed_tokenizing import RoutedTokenizing
from olo_gateway.adapters.routing_views import RoutingViews
from olo_gateway.adapters.task_queues import TemporalBacklogs
from olo_gateway.calls.batches import Batches
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.own_models import OwnEmbedding, OwnTokenizing
from olo_gateway.calls.vector_stores import VectorStores
from olo_gateway.files.objects import ObjectStore
from olo_gateway.files.shelf import Shelf
from olo_gateway.http.app import http_app
from olo_gateway.http.batches.routes import batch_routes
from olo_gateway.http.cluster.cluster import Cluster
from olo_gateway.http.compatible import Peers, compatible_routes
from olo_gateway.http.documents.routes import rag_routes
from olo_gateway.http.documents.transfers import IMPORT_PATH, MOST_BYTES, transfer_routes
from olo_gateway.http.file_routes import FORM_BYTES, file_routes
from olo_gateway.http.guard import Guarding
from olo_gateway.http.log_routes import log_routes
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.http.vector_stores.routes import vector_store_routes
from olo_gateway.ports import RecentLogs, Runs
from olo_gateway.rpc.batch_servicer import BatchServicer
from olo_gateway.rpc.file_servicer import FileServicer
from olo_gateway.rpc.forwarding import forwarded
from olo_gateway.rpc.servicer import GatewayServicer
from olo_gateway.rpc.transfer_servicer import TransferServicer
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.settings import GatewaySettings
from olo_gateway.telemetry import show

OPERATORS_CALLS: Final = (
    "ListModels",
    "GetModel",
    "UpdateModel",
    "DrainInstances",
    "ListAliases",
    "SetAlias",
    "DeleteAlias",
)
"""Of the registry's calls, those that the edge passes on; the others are for workers and routers."""
QUESTIONS_ABOUT_ROUTING: Final = ("ExplainSelection", "ListRankings", "GetStatus")
"""Of the router's calls, those that the edge passes on; by the other one requests are handed out."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What stands behind the edge. The composition root makes it, and ends it."""

    admission: Admission
    chats: Chats
    runs: Runs
    shelf: Shelf
    objects: ObjectStore
    batches: Batches
    instances: RoutedInstances
    logs: RecentLogs
    temporal: Client
    registry: grpc.aio.Channel
    router: grpc.aio.Channel
    retrieval: grpc.aio.Channel
    health: Health


async def served_edge(
    settings: GatewaySettings,
    stack: AsyncExitStack,
    inside: Inside,
    lifetime: Lifetime,
    *,
    guarding: Guarding | None,
    stopping: asyncio.Event,
) -> list[Registration]:
    """Serves HTTP until the stack is left; gives the gRPC services, for the one server that has them all.

    Args:
        settings: The ports, and what callers may do.
        stack: Ends the HTTP servers.
        inside: What answers.
        lifetime: Of the process, which ends where a server does.
        guarding: Who may call; None: everybody.
        stopping: Is set where nothing new is to be taken.

    Raises:
        StartupError: A port is taken, or a file of TLS cannot be used.
    """
    show(inside.admission)
    registry, router = RegistryServiceStub(inside.registry), RouterServiceStub(inside.router)
    catalogue = RegistryCatalogue(registry)
    embedding = OwnEmbedding(RoutedEmbedding(inside.instances))
    tokenizing = OwnTokenizing(RoutedTokenizing(inside.instances))
    routing = RoutingViews(router, BenchmarkServiceStub(inside.registry))
    documents = RetrievalDocuments(RetrievalServiceStub(inside.retrieval))
    collections = CollectionFiles(TransferServiceStub(inside.retrieval))
    pace = StreamPace(settings.keep_alive, settings.client_patience)
    application = http_app(
        inside.chats,
        catalogue,
        routing,
        inside.health,
        pace,
        runs=inside.runs,
        embedding=embedding,
        tokenizing=tokenizing,
        extras=[
            file_routes(inside.shelf),
            batch_routes(inside.batches),
            vector_store_routes(VectorStores(documents, inside.shelf, inside.objects)),
            rag_routes(documents, inside.shelf),
            transfer_routes(collections),
            log_routes(inside.logs),
        ],
        larger_bodies={"/v1/files": settings.max_file_bytes + FORM_BYTES, IMPORT_PATH: MOST_BYTES},
        guarding=guarding,
    )
    models = InspectedModels(router, inside.instances)
    cluster = Cluster(
        RegistryFleet(registry), routing, TemporalBacklogs(inside.temporal), inside.admission, inside.health
    )
    for routes in compatible_routes(inside.chats, Peers(cluster, embedding, models, models), pace):
        application.include_router(routes)
    for setting in ("http_port", "ollama_port"):
        port = getattr(settings, setting)
        if port is not None:
            await stack.enter_async_context(
                http_server(
                    application,
                    settings.host,
                    port,
                    settings.grace_seconds,
                    lifetime,
                    client_patience=settings.client_patience,
                    setting=setting,
                    tls=server_files(settings.tls),
                    stopping=stopping,
                )
            )
    chats = GatewayServicer(
        inside.chats, inside.runs, catalogue, embedding, tokenizing, client_patience=settings.client_patience
    )
    return [*_own_services(inside, chats, TransferServicer(collections)), *_services_of_others(inside)]


def _own_services(inside: Inside, chats: GatewayServicer, transfers: TransferServicer) -> list[Registration]:
    files, batches = FileServicer(inside.shelf), BatchServicer(inside.batches)
    return [
        Registration(GATEWAY_FILE.services_by_name["GatewayService"], add_GatewayServiceServicer_to_server, chats),
        Registration(FILE_FILE.services_by_name["FileService"], add_FileServiceServicer_to_server, files),
        Registration(BATCH_FILE.services_by_name["BatchService"], add_BatchServiceServicer_to_server, batches),
        Registration(
            TRANSFER_FILE.services_by_name["TransferService"], add_TransferServiceServicer_to_server, transfers
        ),
    ]


def _services_of_others(inside: Inside) -> list[Registration]:
    registry, router, retrieval = inside.registry, inside.router, inside.retrieval
    return [
        forwarded(RETRIEVAL_FILE.services_by_name["RetrievalService"], retrieval, "the retrieval service"),
        forwarded(SOURCE_FILE.services_by_name["SourceService"], retrieval, "the retrieval service"),
        forwarded(MIGRATION_FILE.services_by_name["MigrationService"], retrieval, "the retrieval service"),
        forwarded(REGISTRY_FILE.services_by_name["RegistryService"], registry, "the registry", only=OPERATORS_CALLS),
        forwarded(BENCHMARK_FILE.services_by_name["BenchmarkService"], registry, "the registry"),
        forwarded(ROUTER_FILE.services_by_name["RouterService"], router, "the router", only=QUESTIONS_ABOUT_ROUTING),
    ]
