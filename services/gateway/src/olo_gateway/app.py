"""The composition root: what the gateway is made of, in the order in which it starts and, reversed, stops."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
from temporalio.client import Client
from temporalio.worker import Worker

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
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import nats_bus
from olo_common.payload_store import clean_payloads
from olo_common.temporal import TEMPORAL_CONDITION, reachable, temporal_client, temporal_worker, worker_version
from olo_common.tls import server_files
from olo_gateway.activities import ChatActivities
from olo_gateway.adapters.batch_runs import TemporalBatches
from olo_gateway.adapters.collection_files import CollectionFiles
from olo_gateway.adapters.inspected_models import InspectedModels
from olo_gateway.adapters.key_file import kept_keys
from olo_gateway.adapters.nats_logs import nats_logs
from olo_gateway.adapters.nats_tokens import NatsTokenStreams
from olo_gateway.adapters.object_stores import object_store, sweep_for_ever
from olo_gateway.adapters.parked_runs import parked_run_hints
from olo_gateway.adapters.registry_catalogue import RegistryCatalogue
from olo_gateway.adapters.registry_fleet import RegistryFleet
from olo_gateway.adapters.retrieval_documents import RetrievalDocuments
from olo_gateway.adapters.routed_embedding import RoutedEmbedding
from olo_gateway.adapters.routed_instances import RoutedInstances
from olo_gateway.adapters.routed_tokenizing import RoutedTokenizing
from olo_gateway.adapters.routing_views import RoutingViews
from olo_gateway.adapters.shadow_runs import shadow_starts
from olo_gateway.adapters.task_queues import TemporalBacklogs
from olo_gateway.adapters.temporal_runs import TemporalRuns
from olo_gateway.batch_activities import BatchActivities
from olo_gateway.batch_calls import Batches
from olo_gateway.batch_servicer import BatchServicer
from olo_gateway.batch_worker import batch_worker
from olo_gateway.chats import Chats
from olo_gateway.file_servicer import FileServicer
from olo_gateway.files.objects import ObjectStore
from olo_gateway.files.shelf import Shelf
from olo_gateway.forwarding import forwarded
from olo_gateway.http.app import http_app
from olo_gateway.http.batch_endpoints import endpoints
from olo_gateway.http.batch_routes import batch_routes
from olo_gateway.http.cluster.cluster import Cluster
from olo_gateway.http.compatible import Peers, compatible_routes
from olo_gateway.http.file_routes import FORM_BYTES, file_routes
from olo_gateway.http.guard import Guarding
from olo_gateway.http.log_routes import log_routes
from olo_gateway.http.rag_routes import rag_routes
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.http.transfer_routes import IMPORT_PATH, MOST_BYTES, transfer_routes
from olo_gateway.http.vector_store_routes import vector_store_routes
from olo_gateway.own_models import OwnEmbedding, OwnTokenizing
from olo_gateway.own_runs import OwnRuns
from olo_gateway.ports import RecentLogs, Runs
from olo_gateway.rpc_guard import KeyInterceptor
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.servicer import GatewayServicer
from olo_gateway.settings import GatewaySettings
from olo_gateway.shadow_activities import ShadowActivities
from olo_gateway.telemetry import SDK_BUCKETS, count_refusal, show
from olo_gateway.transfer_servicer import TransferServicer
from olo_gateway.vector_stores import VectorStores
from olo_gateway.workers import chat_worker

_CHECK_SECONDS = 2.0
_LINES_GRACE_SECONDS = 5.0
"""Lines of batches cost nothing where they are cut off: another gateway goes on with their runs."""

OPERATORS_CALLS = (
    "ListModels",
    "GetModel",
    "UpdateModel",
    "DrainInstances",
    "ListAliases",
    "SetAlias",
    "DeleteAlias",
)
"""Of the registry's calls, those that the edge passes on; the others are for workers and routers."""
QUESTIONS_ABOUT_ROUTING = ("ExplainSelection", "ListRankings", "GetStatus")
"""Of the router's calls, those that the edge passes on; by the other one requests are handed out."""


@asynccontextmanager
async def running(settings: GatewaySettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while entered; gives the gRPC address. Waits for no peer: what is away shows in the health.

    Raises:
        StartupError: A port is taken, or a file of TLS cannot be used.
    """
    async with AsyncExitStack() as stack:
        health = Health([TEMPORAL_CONDITION])
        most = settings.max_runs_in_flight
        bounds = Bounds(min(settings.min_runs_in_flight, most), most, settings.tolerated_slowdown)
        admission = Admission(bounds, refuse=count_refusal)
        client = await temporal_client(settings.temporal, f"gateway-{socket.gethostname()}-{os.getpid()}", SDK_BUCKETS)
        router = await stack.enter_async_context(channel(settings.router_target, settings.tls))
        retrieval = await stack.enter_async_context(channel(settings.retrieval_target, settings.tls))
        registry = await stack.enter_async_context(channel(settings.registry_target, settings.tls))
        bus = await stack.enter_async_context(nats_bus(settings.nats, "gateway"))
        objects = await stack.enter_async_context(object_store(settings.files))
        shelf = Shelf(objects, settings.max_file_bytes)
        limits = RunLimits(
            settings.default_timeout, settings.max_timeout, settings.max_attempts, settings.max_content_bytes
        )
        # An eager start would begin a run here even where another build of the deployment is the current one.
        eager = settings.role == "all" and not settings.temporal.deployment_name
        runs = OwnRuns(TemporalRuns(client, eager=eager, ui=settings.temporal_ui))
        chats = Chats(runs, NatsTokenStreams(bus), admission, limits)
        stack.push_async_callback(chats.close)
        instances = RoutedInstances(RouterServiceStub(router), settings.tls)
        stack.push_async_callback(instances.close)
        answering = endpoints(chats, runs, limits, RoutedEmbedding(instances), RoutedTokenizing(instances))
        if settings.role == "edge":
            await stack.enter_async_context(background(_watch(client, health), "temporal-watch", lifetime))
        else:
            cleaning = clean_payloads(settings.temporal.payloads)
            await stack.enter_async_context(background(cleaning, "payload-cleaning", lifetime))
            parked = await stack.enter_async_context(parked_run_hints(client, bus, lifetime))
            shadows = await stack.enter_async_context(shadow_starts(client, lifetime))
            activities = ChatActivities(
                RetrievalServiceStub(retrieval),
                RouterServiceStub(router),
                RegistryServiceStub(registry),
                parked,
                shadows,
            )
            shadow_activities = ShadowActivities(TemporalRuns(client, eager=False))

            def make_worker() -> Worker:
                return chat_worker(
                    client,
                    activities,
                    shadow_activities,
                    version=worker_version(settings.temporal, "olo-gateway", pinned=True),
                    concurrency=settings.max_concurrent_workflow_tasks,
                    grace_seconds=settings.grace_seconds,
                )

            await stack.enter_async_context(temporal_worker(client, make_worker, lifetime=lifetime, health=health))
            if settings.files:
                sweeping = sweep_for_ever(objects, shelf)
                await stack.enter_async_context(background(sweeping, "file-sweeping", lifetime))
                batch_activities = BatchActivities(objects, shelf, answering, settings.max_batch_lines)

                def make_batch_worker() -> Worker:
                    return batch_worker(
                        client,
                        batch_activities,
                        version=worker_version(settings.temporal, "olo-gateway"),
                        lines=settings.max_batch_lines_in_flight,
                        grace_seconds=min(settings.grace_seconds, _LINES_GRACE_SECONDS),
                    )

                await stack.enter_async_context(
                    temporal_worker(client, make_batch_worker, lifetime=lifetime, health=health)
                )
        keys = None
        if settings.api_keys_file and settings.role != "worker":
            keys = await stack.enter_async_context(kept_keys(settings.api_keys_file, lifetime))
        registrations: list[Registration] = []
        stopping = asyncio.Event()
        if settings.role != "worker":
            registrations = await _edge(
                settings,
                stack,
                admission=admission,
                chats=chats,
                runs=runs,
                shelf=shelf,
                objects=objects,
                client=client,
                instances=instances,
                logs=await stack.enter_async_context(nats_logs(bus)),
                batches=Batches(TemporalBatches(client), objects, shelf, answering, window=settings.batch_window),
                registry=registry,
                router=router,
                retrieval=retrieval,
                health=health,
                lifetime=lifetime,
                guarding=None if keys is None else Guarding(keys, settings.public_docs),
                stopping=stopping,
            )

        def stop_taking() -> None:
            admission.close()
            stopping.set()

        # All servers let running calls end within one grace; none may take new ones meanwhile.
        guards = [] if keys is None else [KeyInterceptor(keys)]
        yield await stack.enter_async_context(
            grpc_server(settings, registrations, health, stopping=stop_taking, guards=guards)
        )


async def _edge(
    settings: GatewaySettings,
    stack: AsyncExitStack,
    *,
    admission: Admission,
    chats: Chats,
    runs: Runs,
    shelf: Shelf,
    objects: ObjectStore,
    client: Client,
    instances: RoutedInstances,
    logs: RecentLogs,
    batches: Batches,
    registry: grpc.aio.Channel,
    router: grpc.aio.Channel,
    retrieval: grpc.aio.Channel,
    health: Health,
    lifetime: Lifetime,
    guarding: Guarding | None,
    stopping: asyncio.Event,
) -> list[Registration]:
    """Builds what callers see, and serves its HTTP side; gives its gRPC side."""
    show(admission)
    catalogue = RegistryCatalogue(RegistryServiceStub(registry))
    embedding, tokenizing = OwnEmbedding(RoutedEmbedding(instances)), OwnTokenizing(RoutedTokenizing(instances))
    routing = RoutingViews(RouterServiceStub(router), BenchmarkServiceStub(registry))
    documents = RetrievalDocuments(RetrievalServiceStub(retrieval))
    collections = CollectionFiles(TransferServiceStub(retrieval))
    stores = VectorStores(documents, shelf, objects)
    pace = StreamPace(settings.keep_alive, settings.client_patience)
    application = http_app(
        chats,
        catalogue,
        routing,
        health,
        pace,
        runs=runs,
        embedding=embedding,
        tokenizing=tokenizing,
        extras=[
            file_routes(shelf),
            batch_routes(batches),
            vector_store_routes(stores),
            rag_routes(documents, shelf),
            transfer_routes(collections),
            log_routes(logs),
        ],
        larger_bodies={"/v1/files": settings.max_file_bytes + FORM_BYTES, IMPORT_PATH: MOST_BYTES},
        guarding=guarding,
    )
    models = InspectedModels(RouterServiceStub(router), instances)
    cluster = Cluster(
        RegistryFleet(RegistryServiceStub(registry)), routing, TemporalBacklogs(client), admission, health
    )
    for routes in compatible_routes(chats, Peers(cluster, embedding, models, models), pace):
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
    servicer = GatewayServicer(chats, runs, catalogue, embedding, tokenizing, client_patience=settings.client_patience)
    return [
        Registration(GATEWAY_FILE.services_by_name["GatewayService"], add_GatewayServiceServicer_to_server, servicer),
        Registration(FILE_FILE.services_by_name["FileService"], add_FileServiceServicer_to_server, FileServicer(shelf)),
        Registration(
            BATCH_FILE.services_by_name["BatchService"], add_BatchServiceServicer_to_server, BatchServicer(batches)
        ),
        Registration(
            TRANSFER_FILE.services_by_name["TransferService"],
            add_TransferServiceServicer_to_server,
            TransferServicer(collections),
        ),
        forwarded(RETRIEVAL_FILE.services_by_name["RetrievalService"], retrieval, "the retrieval service"),
        forwarded(SOURCE_FILE.services_by_name["SourceService"], retrieval, "the retrieval service"),
        forwarded(MIGRATION_FILE.services_by_name["MigrationService"], retrieval, "the retrieval service"),
        forwarded(REGISTRY_FILE.services_by_name["RegistryService"], registry, "the registry", only=OPERATORS_CALLS),
        forwarded(BENCHMARK_FILE.services_by_name["BenchmarkService"], registry, "the registry"),
        forwarded(ROUTER_FILE.services_by_name["RouterService"], router, "the router", only=QUESTIONS_ABOUT_ROUTING),
    ]


async def _watch(client: Client, health: Health) -> None:
    while True:
        await health.set(TEMPORAL_CONDITION, await reachable(client))
        await asyncio.sleep(_CHECK_SECONDS)
