"""Puts the router together, starts it in order and stops it in the reverse one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from olo.router.v1 import router_service_pb2 as pb
from olo.router.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import NatsBus, nats_bus
from olo_router.adapters.nats_feed import hear_instances
from olo_router.adapters.registry_feed import follow_registry
from olo_router.fleet.fleet import Fleet
from olo_router.routing import Routing
from olo_router.servicer import RouterServicer
from olo_router.settings import RouterSettings

SNAPSHOT_CONDITION = "snapshot"


@asynccontextmanager
async def running(settings: RouterSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The port is taken.
    """
    health = Health([SNAPSHOT_CONDITION])

    async def has_snapshot() -> None:
        await health.set(SNAPSHOT_CONDITION, True)

    fleet = Fleet(settings.lease_seconds, settings.max_snapshot_age_seconds)
    routing = Routing(fleet, time.monotonic, has_snapshot)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_bus(settings.nats, "olo-router"))
        await hear_instances(bus, routing)
        registry = await stack.enter_async_context(channel(settings.registry_target))
        await stack.enter_async_context(background(follow_registry(registry, routing), "registry-feed", lifetime))
        await stack.enter_async_context(background(_sweep(routing, bus), "lease-sweep", lifetime))
        registration = Registration(
            pb.DESCRIPTOR.services_by_name["RouterService"],
            add_RouterServiceServicer_to_server,
            RouterServicer(routing),
        )
        yield await stack.enter_async_context(grpc_server(settings, [registration], health))


async def _sweep(routing: Routing, bus: NatsBus) -> None:
    while True:
        routing.sweep(connected=bus.connected)
        await asyncio.sleep(routing.lease_seconds / 20)
