"""Puts the registry together, starts it in order and stops it in the reverse one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import NatsBus, nats_bus
from olo_registry.adapters.clock import SystemClock
from olo_registry.adapters.nats_announcer import NatsAnnouncer
from olo_registry.adapters.nats_listener import NatsListener
from olo_registry.adapters.sql_store import sql_store
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.leases.table import Leases
from olo_registry.registry import Registry
from olo_registry.servicer import RegistryServicer
from olo_registry.settings import RegistrySettings

CATALOGUE_CONDITION = "catalogue"


@asynccontextmanager
async def running(settings: RegistrySettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The database cannot be used, or the port is taken.
    """
    health = Health([CATALOGUE_CONDITION])
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(sql_store(settings.database_url))
        bus = await stack.enter_async_context(nats_bus(settings.nats, "olo-registry"))
        announcer = NatsAnnouncer(bus, "registry")
        registry = Registry(
            Catalogue(await store.load(), max_announced_priority=settings.max_announced_priority),
            Leases(settings.lease_seconds),
            store=store,
            announcer=announcer,
            clock=SystemClock(),
            max_instances=settings.max_instances,
        )
        await health.set(CATALOGUE_CONDITION, True)
        await NatsListener(bus, registry).subscribe()
        bus.on_connect(announcer.request_announcements)
        await stack.enter_async_context(background(_sweep(registry, bus), "lease-sweep", lifetime))
        await stack.enter_async_context(background(registry.publish_changes(), "publish-changes", lifetime))
        registration = Registration(
            pb.DESCRIPTOR.services_by_name["RegistryService"],
            add_RegistryServiceServicer_to_server,
            RegistryServicer(registry),
        )
        address = await stack.enter_async_context(grpc_server(settings, [registration], health))
        # Watches never end of themselves, and the server would wait for them with all its grace.
        stack.callback(registry.end_watches)
        yield address


async def _sweep(registry: Registry, bus: NatsBus) -> None:
    log = logger(__name__)
    while True:
        for instance in registry.sweep(connected=bus.connected):
            log.warning("lease_expired", instance_id=instance.instance_id, model=instance.model_id)
        await asyncio.sleep(registry.lease_seconds / 20)
