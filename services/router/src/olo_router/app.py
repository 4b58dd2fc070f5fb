"""Puts the router together, starts it in order and stops it in the reverse one."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.router.v1 import router_service_pb2 as pb
from olo.router.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server
from olo_common.errors import StartupError
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.temporal import temporal_client
from olo_router.adapters.classifier_file import trained
from olo_router.adapters.nats_feed import hear_instances
from olo_router.adapters.profile_file import load_profiles
from olo_router.adapters.registry_feed import follow_registry
from olo_router.adapters.registry_memory import remember
from olo_router.adapters.temporal_backlogs import watch_backlogs
from olo_router.breaking.breaker import BreakerPolicy
from olo_router.breaking.breakers import Breakers
from olo_router.choosing import Chooser, ComplexityProfiles
from olo_router.conversations import Conversations
from olo_router.fleet.fleet import Fleet
from olo_router.learning.learner import Learner
from olo_router.routing import Routing
from olo_router.selection.complexity import by_rules
from olo_router.servicer import RouterServicer
from olo_router.settings import RouterSettings
from olo_router.telemetry import show

SNAPSHOT_CONDITION = "snapshot"


@asynccontextmanager
async def running(settings: RouterSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The port is taken, or the profiles make no sense.
    """
    health = Health([SNAPSHOT_CONDITION])

    async def has_snapshot() -> None:
        await health.set(SNAPSHOT_CONDITION, True)

    routing = _routing(settings, has_snapshot)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_bus(settings.nats, "olo-router"))
        await hear_instances(bus, routing)
        registry = await stack.enter_async_context(channel(settings.registry_target, settings.tls))
        await stack.enter_async_context(background(follow_registry(registry, routing), "registry-feed", lifetime))
        await stack.enter_async_context(background(_sweep(routing, bus), "lease-sweep", lifetime))
        memory = remember(RegistryServiceStub(registry), routing, settings.store_pause_seconds)
        await stack.enter_async_context(background(memory, "measurements", lifetime))
        if settings.backlog_pause_seconds:
            client = await temporal_client(settings.temporal, f"router-{socket.gethostname()}-{os.getpid()}")
            backlogs = watch_backlogs(client, routing, settings.backlog_pause_seconds)
            await stack.enter_async_context(background(backlogs, "backlogs", lifetime))
        show(routing)
        registration = Registration(
            pb.DESCRIPTOR.services_by_name["RouterService"],
            add_RouterServiceServicer_to_server,
            RouterServicer(routing),
        )
        yield await stack.enter_async_context(grpc_server(settings, [registration], health))


def _routing(settings: RouterSettings, on_snapshot: Callable[[], Awaitable[None]]) -> Routing:
    """The core.

    Raises:
        StartupError: The profiles make no sense.
    """
    profiles = load_profiles(settings.profiles_file, settings.default_profile)
    for variable, name in (("SIMPLE", settings.simple_profile), ("COMPLEX", settings.complex_profile)):
        try:
            profiles.require(name)
        except ValueError as error:
            raise StartupError(f"OLO_ROUTER_{variable}_PROFILE: {error}") from None
    fleet = Fleet(settings.lease_seconds, settings.max_snapshot_age_seconds)
    breakers = Breakers(
        BreakerPolicy(
            settings.breaker_failures,
            settings.breaker_window_seconds,
            settings.breaker_open_seconds,
            settings.breaker_probes,
        )
    )
    learner = Learner(settings.half_life_seconds)
    chooser = Chooser(
        fleet,
        breakers,
        learner,
        profiles=profiles,
        classifier=trained() if settings.complexity_classifier == "trained" else by_rules(),
        conversations=Conversations(settings.conversation_seconds),
        by_complexity=ComplexityProfiles(settings.simple_profile, settings.complex_profile),
    )
    return Routing(fleet, breakers, learner, chooser, clock=time.monotonic, on_snapshot=on_snapshot)


async def _sweep(routing: Routing, bus: NatsBus) -> None:
    while True:
        routing.sweep(connected=bus.connected)
        await asyncio.sleep(routing.lease_seconds / 20)
