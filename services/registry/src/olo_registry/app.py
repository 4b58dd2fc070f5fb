"""Puts the registry together, starts it in order and stops it in the reverse one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from olo.registry.v1 import benchmark_service_pb2 as benchmark_pb
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.benchmark_service_pb2_grpc import add_BenchmarkServiceServicer_to_server
from olo.registry.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import NatsBus, nats_bus
from olo_registry.adapters.clock import SystemClock
from olo_registry.adapters.database import registry_database
from olo_registry.adapters.nats_announcer import NatsAnnouncer
from olo_registry.adapters.nats_listener import NatsListener
from olo_registry.adapters.sql_benchmarks import SqlBenchmarkStore
from olo_registry.adapters.sql_measurements import SqlMeasurements
from olo_registry.adapters.sql_store import SqlCatalogueStore
from olo_registry.benchmark_servicer import BenchmarkServicer
from olo_registry.catalogue.aliases import Aliases
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.changes import Changes
from olo_registry.curation import Curation
from olo_registry.intelligence import Intelligence
from olo_registry.leases.conflicts import Conflicts
from olo_registry.leases.drains import Drains
from olo_registry.leases.quarantine import Quarantine, QuarantineRule
from olo_registry.leases.table import Leases
from olo_registry.measuring import Measuring
from olo_registry.registry import Registry
from olo_registry.servicer import RegistryServicer
from olo_registry.settings import RegistrySettings
from olo_registry.telemetry import LOST, show
from olo_registry.telling import publish_changes
from olo_registry.views import Standing, Views

CATALOGUE_CONDITION = "catalogue"


@asynccontextmanager
async def running(settings: RegistrySettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The database cannot be used, or the port is taken.
    """
    health = Health([CATALOGUE_CONDITION])
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(registry_database(settings.database_url))
        store = SqlCatalogueStore(database)
        bus = await stack.enter_async_context(nats_bus(settings.nats, "olo-registry"))
        announcer, clock = NatsAnnouncer(bus, "registry"), SystemClock()
        catalogue = Catalogue(await store.load(), max_announced_priority=settings.max_announced_priority)
        aliases = Aliases(await store.load_aliases())
        changes, leases = Changes(uuid.uuid4().hex), Leases(settings.lease_seconds)
        standing = Standing(
            Conflicts(settings.lease_seconds), Quarantine(QuarantineRule(settings.quarantine_starts)), Drains()
        )
        curation = Curation(catalogue, aliases, changes, store=store, clock=clock)
        views = Views(catalogue, aliases, leases, standing, changes)
        registry = Registry(
            curation,
            leases,
            standing,
            changes,
            announcer=announcer,
            clock=clock,
            max_instances=settings.max_instances,
        )
        benchmark_store = SqlBenchmarkStore(database)
        intelligence = Intelligence(
            catalogue,
            views,
            store=benchmark_store,
            clock=clock,
            states=await benchmark_store.load_states(),
            links=await benchmark_store.load_links(),
        )
        await health.set(CATALOGUE_CONDITION, True)
        show(views)
        await NatsListener(bus, registry).subscribe()
        bus.on_connect(announcer.request_announcements)
        await stack.enter_async_context(background(_sweep(registry, bus), "lease-sweep", lifetime))
        await stack.enter_async_context(background(publish_changes(changes, announcer), "publish-changes", lifetime))
        await stack.enter_async_context(background(intelligence.follow(changes), "appraise", lifetime))
        if settings.benchmarks.enabled:
            # Imported here: Temporal and HTTP cost a start half a second that most registries do not need.
            from olo_registry.fetching import fetching

            await stack.enter_async_context(fetching(settings.benchmarks, settings.temporal, intelligence, lifetime))
        registrations = [
            Registration(
                pb.DESCRIPTOR.services_by_name["RegistryService"],
                add_RegistryServiceServicer_to_server,
                RegistryServicer(registry, curation, views, Measuring(SqlMeasurements(database), clock)),
            ),
            Registration(
                benchmark_pb.DESCRIPTOR.services_by_name["BenchmarkService"],
                add_BenchmarkServiceServicer_to_server,
                BenchmarkServicer(intelligence),
            ),
        ]
        address = await stack.enter_async_context(grpc_server(settings, registrations, health))
        # Watches never end of themselves, and the server would wait for them with all its grace.
        stack.callback(views.end_watches)
        yield address


async def _sweep(registry: Registry, bus: NatsBus) -> None:
    log = logger(__name__)
    while True:
        for instance in registry.sweep(connected=bus.connected):
            LOST.add()
            log.warning("lease_expired", instance_id=instance.instance_id, model=instance.model_id)
        await asyncio.sleep(registry.lease_seconds / 20)
