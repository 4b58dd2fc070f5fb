"""The composition root: what the gateway is made of, in the order in which it starts and, reversed, stops."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from temporalio.client import Client
from temporalio.worker import Worker

from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.router.v1.router_service_pb2_grpc import RouterServiceStub
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import nats_bus
from olo_common.payload_store import clean_payloads, most_bytes
from olo_common.temporal import TEMPORAL_CONDITION, reachable, temporal_client, temporal_worker, worker_version
from olo_gateway.access.caller import NOBODY, OPEN, outside_calls
from olo_gateway.activities.batch import BatchActivities
from olo_gateway.activities.chat import ChatActivities
from olo_gateway.activities.shadow import ShadowActivities
from olo_gateway.adapters.batch_runs import TemporalBatches
from olo_gateway.adapters.key_file import kept_keys
from olo_gateway.adapters.nats_logs import nats_logs
from olo_gateway.adapters.nats_tokens import NatsTokenStreams
from olo_gateway.adapters.object_stores import object_store, sweep_for_ever
from olo_gateway.adapters.parked_runs import parked_run_hints
from olo_gateway.adapters.routed_embedding import RoutedEmbedding
from olo_gateway.adapters.routed_instances import RoutedInstances
from olo_gateway.adapters.routed_tokenizing import RoutedTokenizing
from olo_gateway.adapters.shadow_runs import shadow_starts
from olo_gateway.adapters.temporal_runs import TemporalRuns
from olo_gateway.calls.batches import Batches
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.own_runs import OwnRuns
from olo_gateway.edge import Inside, served_edge
from olo_gateway.files.shelf import Shelf
from olo_gateway.http.batches.endpoints import endpoints
from olo_gateway.http.guard import Guarding
from olo_gateway.rpc.guard import KeyInterceptor
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.settings import GatewaySettings
from olo_gateway.telemetry import SDK_BUCKETS, count_refusal
from olo_gateway.workers import batch_worker, chat_worker

_CHECK_SECONDS = 2.0
_LINES_GRACE_SECONDS = 5.0
"""Lines of batches cost nothing where they are cut off: another gateway goes on with their runs."""


@asynccontextmanager
async def running(settings: GatewaySettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while entered; gives the gRPC address. Waits for no peer: what is away shows in the health.

    Raises:
        StartupError: A port is taken, or a file of TLS cannot be used.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(outside_calls(NOBODY if settings.api_keys_file else OPEN))
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
            activities = ChatActivities(
                RetrievalServiceStub(retrieval),
                RouterServiceStub(router),
                RegistryServiceStub(registry),
                await stack.enter_async_context(parked_run_hints(client, bus, lifetime)),
                await stack.enter_async_context(shadow_starts(client, lifetime)),
                most_bytes=most_bytes(settings.temporal.payloads),
            )
            await stack.enter_async_context(_running_chats(settings, client, activities, lifetime, health))
            if settings.files:
                await stack.enter_async_context(background(sweep_for_ever(objects, shelf), "file-sweeping", lifetime))
                lines = BatchActivities(objects, shelf, answering, settings.max_batch_lines)
                await stack.enter_async_context(_running_batches(settings, client, lines, lifetime, health))
        keys = None
        registrations: list[Registration] = []
        stopping = asyncio.Event()
        if settings.role != "worker":
            if settings.api_keys_file:
                keys = await stack.enter_async_context(kept_keys(settings.api_keys_file, lifetime))
            inside = Inside(
                admission=admission,
                chats=chats,
                runs=runs,
                shelf=shelf,
                objects=objects,
                batches=Batches(TemporalBatches(client), objects, shelf, answering, window=settings.batch_window),
                instances=instances,
                logs=await stack.enter_async_context(nats_logs(bus)),
                temporal=client,
                registry=registry,
                router=router,
                retrieval=retrieval,
                health=health,
            )
            guarding = None if keys is None else Guarding(keys, settings.public_docs)
            registrations = await served_edge(settings, stack, inside, lifetime, guarding=guarding, stopping=stopping)

        def stop_taking() -> None:
            admission.close()
            stopping.set()

        # All servers let running calls end within one grace; none may take new ones meanwhile.
        guards = [] if keys is None else [KeyInterceptor(keys)]
        yield await stack.enter_async_context(
            grpc_server(settings, registrations, health, stopping=stop_taking, guards=guards)
        )


def _running_chats(
    settings: GatewaySettings, client: Client, activities: ChatActivities, lifetime: Lifetime, health: Health
) -> AbstractAsyncContextManager[None]:
    shadows = ShadowActivities(TemporalRuns(client, eager=False))

    def make() -> Worker:
        return chat_worker(
            client,
            activities,
            shadows,
            version=worker_version(settings.temporal, "olo-gateway", pinned=True),
            concurrency=settings.max_concurrent_workflow_tasks,
            grace_seconds=settings.grace_seconds,
        )

    return temporal_worker(client, make, lifetime=lifetime, health=health)


def _running_batches(
    settings: GatewaySettings, client: Client, activities: BatchActivities, lifetime: Lifetime, health: Health
) -> AbstractAsyncContextManager[None]:
    def make() -> Worker:
        return batch_worker(
            client,
            activities,
            version=worker_version(settings.temporal, "olo-gateway"),
            lines=settings.max_batch_lines_in_flight,
            grace_seconds=min(settings.grace_seconds, _LINES_GRACE_SECONDS),
        )

    return temporal_worker(client, make, lifetime=lifetime, health=health)


async def _watch(client: Client, health: Health) -> None:
    while True:
        await health.set(TEMPORAL_CONDITION, await reachable(client))
        await asyncio.sleep(_CHECK_SECONDS)
