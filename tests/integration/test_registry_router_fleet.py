"""Workers, registry and router on a real NATS server: they find, lose and find each other again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
import pytest

import olo_events
import olo_registry.app
import olo_router.app
from olo.registry.v1 import registry_service_pb2 as registry_pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1.router_service_pb2_grpc import RouterServiceStub
from olo_common.errors import OloError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings
from olo_contracts.queues import llm_queue
from olo_registry.settings import RegistrySettings
from olo_router.settings import RouterSettings
from olo_testing.ports import free_port
from olo_testing.servers import nats_server
from olo_testing.waiting import eventually
from olo_worker.presence import Advertisement, Presence, present

pytestmark = pytest.mark.integration

LEASE = 1.2
HEARTBEAT = 0.3

T = TypeVar("T")


class Cluster:
    """A registry that can be killed and started again on its port, and a router."""

    def __init__(self, nats_url: str, directory: Path) -> None:
        self._nats = NatsSettings(url=nats_url)
        self._directory = directory
        self._port = free_port()
        self._registry = AsyncExitStack()
        self.registry: Any = None
        self.router: Any = None

    async def start_registry(self) -> None:
        settings = RegistrySettings(
            port=self._port,
            database_url=f"sqlite:///{self._directory}/registry.db",
            lease_seconds=LEASE,
            nats=self._nats,
            grace_seconds=0.0,
        )
        address = await self._registry.enter_async_context(olo_registry.app.running(settings, Lifetime()))
        self.registry = RegistryServiceStub(await self._registry.enter_async_context(channel(address)))

    async def stop_registry(self) -> None:
        await self._registry.aclose()

    async def start_router(self, stack: AsyncExitStack) -> None:
        settings = RouterSettings(
            port=0, registry_target=f"127.0.0.1:{self._port}", lease_seconds=LEASE, nats=self._nats, grace_seconds=0.0
        )
        address = await stack.enter_async_context(olo_router.app.running(settings, Lifetime()))
        self.router = RouterServiceStub(await stack.enter_async_context(channel(address)))

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[NatsBus]:
        async with nats_bus(self._nats, "test") as bus:
            yield bus

    async def instances(self, model_id: str) -> list[str]:
        request = registry_pb.GetModelRequest(model_id=model_id)
        answer = await call(self.registry.GetModel, request, peer="the registry", timeout=5)
        return [instance.instance_id for instance in answer.model.instances]

    async def selected(self, model: str = "") -> list[str]:
        request = router_pb.SelectModelsRequest(model=model)
        answer = await call(self.router.SelectModels, request, peer="the router", timeout=5)
        return [candidate.model_id for candidate in answer.candidates]

    async def refusal(self, model: str = "") -> str:
        try:
            await self.selected(model)
        except OloError as error:
            return error.reason
        return ""


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        cluster = Cluster(nats_url, tmp_path)
        await cluster.start_registry()
        stack.push_async_callback(cluster.stop_registry)
        await cluster.start_router(stack)
        yield cluster


class Worker:
    """A worker's presence; it falls silent when it is told that it cannot work."""

    def __init__(self, bus: NatsBus, model_id: str, instance_id: str, context_limit: int) -> None:
        self.able = True
        self.stopped = asyncio.Event()
        advertisement = Advertisement(
            instance_id=instance_id,
            model_id=model_id,
            model_name=model_id,
            model_type=olo_events.ModelType.LLM,
            priority=100,
            default_flag=False,
            max_concurrency=2,
            context_limit=context_limit,
            hardware_type=olo_events.HardwareType.CPU,
            address="127.0.0.1:50055",
            task_queue=llm_queue(model_id),
        )
        self.presence = Presence(
            bus,
            advertisement,
            in_flight=lambda: 0,
            able=lambda: self.able,
            heartbeat_seconds=HEARTBEAT,
            stop_taking=self._stop,
        )

    async def _stop(self) -> None:
        self.stopped.set()


@asynccontextmanager
async def working(
    cluster: Cluster, model_id: str, instance_id: str, *, context_limit: int = 2048
) -> AsyncIterator[Worker]:
    async with cluster.bus() as bus:
        worker = Worker(bus, model_id, instance_id, context_limit)
        async with present(worker.presence, bus, Lifetime()):
            yield worker


async def test_a_worker_that_announces_itself_is_listed_chosen_and_gone_when_it_leaves(cluster: Cluster) -> None:
    async with working(cluster, "fleet-a", "worker-a"):
        await eventually(lambda: cluster.instances("fleet-a"), lambda ids: ids == ["worker-a"])
        assert await eventually(cluster.selected, bool) == ["fleet-a"]
    await eventually(lambda: cluster.refusal("fleet-a"), lambda reason: reason == "model_unavailable")
    await eventually(lambda: cluster.instances("fleet-a"), lambda ids: not ids)
    assert await cluster.refusal() == "no_model_available"
    assert await cluster.refusal("nobody") == "model_not_found"


async def test_a_draining_worker_takes_nothing_new(cluster: Cluster) -> None:
    async with working(cluster, "fleet-b", "worker-b") as worker:
        await eventually(cluster.selected, bool)
        await worker.presence.drain()
        await eventually(lambda: cluster.refusal("fleet-b"), lambda reason: reason == "model_unavailable")
        assert await cluster.instances("fleet-b") == ["worker-b"]


async def test_an_operator_drains_a_model_and_its_worker_takes_nothing_more_even_after_the_registry_is_new(
    cluster: Cluster,
) -> None:
    async with working(cluster, "fleet-h", "worker-h") as worker:
        await eventually(lambda: cluster.selected("fleet-h"), bool)
        request = registry_pb.DrainInstancesRequest(model_id="fleet-h")
        told = await call(cluster.registry.DrainInstances, request, peer="the registry", timeout=5)
        assert list(told.instance_ids) == ["worker-h"]
        await eventually(lambda: cluster.refusal("fleet-h"), lambda reason: reason == "model_unavailable")
        await asyncio.wait_for(worker.stopped.wait(), 5)
        await cluster.stop_registry()
        await cluster.start_registry()
        await eventually(lambda: cluster.instances("fleet-h"), lambda ids: ids == ["worker-h"])
        assert await cluster.refusal("fleet-h") == "model_unavailable"


async def test_who_contradicts_a_model_is_shown_and_never_listed(cluster: Cluster) -> None:
    async def conflicts() -> list[tuple[str, str, str]]:
        request = registry_pb.GetModelRequest(model_id="fleet-i")
        model = (await call(cluster.registry.GetModel, request, peer="the registry", timeout=5)).model
        return [(found.instance_id, found.field, found.announced) for found in model.conflicts]

    async with working(cluster, "fleet-i", "worker-i"):
        await eventually(lambda: cluster.instances("fleet-i"), bool)
        async with working(cluster, "fleet-i", "worker-j", context_limit=4096):
            await eventually(conflicts, lambda found: found == [("worker-j", "context_limit", "4096")])
            assert await cluster.instances("fleet-i") == ["worker-i"]
        await eventually(conflicts, lambda found: not found)


async def test_a_silent_worker_is_gone_within_the_lease_and_comes_back(cluster: Cluster) -> None:
    async with working(cluster, "fleet-c", "worker-c") as worker:
        await eventually(cluster.selected, bool)
        worker.able = False
        await eventually(lambda: cluster.instances("fleet-c"), lambda ids: not ids)
        await eventually(lambda: cluster.refusal("fleet-c"), lambda reason: reason == "model_unavailable")
        worker.able = True
        await eventually(lambda: cluster.selected("fleet-c"), bool)


async def test_the_router_goes_on_without_the_registry_and_a_new_registry_learns_everything_again(
    cluster: Cluster,
) -> None:
    async with working(cluster, "fleet-d", "worker-d") as worker:
        await eventually(cluster.selected, bool)
        await cluster.stop_registry()
        # Longer than a lease: heartbeats alone keep the worker in the router's view.
        for _ in range(10):
            assert await cluster.selected() == ["fleet-d"]
            await asyncio.sleep(LEASE / 6)
        await cluster.start_registry()
        assert await cluster.selected() == ["fleet-d"]
        await eventually(lambda: cluster.instances("fleet-d"), lambda ids: ids == ["worker-d"])
        assert await cluster.selected() == ["fleet-d"]
        await cluster.stop_registry()
        worker.able = False
        await eventually(lambda: cluster.refusal("fleet-d"), lambda reason: reason == "model_unavailable")


async def test_junk_on_the_subjects_ends_nobody(cluster: Cluster, nats_url: str) -> None:
    client = await nats.connect(nats_url)
    junk = [b"", b"\xff" * 64, b"junk", bytes(1024 * 1024 - 1), b"\x10" + b"\xff" * 9 + b"\x01"]
    for kind in ("announced", "heartbeat", "left"):
        for payload in junk:
            await client.publish(f"olo.registry.v1.instance.{kind}.worker-e", payload)
            await client.publish(f"olo.registry.v1.instance.{kind}._", payload)
    await client.flush()
    await client.close()
    async with working(cluster, "fleet-e", "worker-e"):
        await eventually(lambda: cluster.instances("fleet-e"), lambda ids: ids == ["worker-e"])
        await eventually(lambda: cluster.selected("fleet-e"), bool)


async def test_an_outage_of_nats_sends_nobody_away(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "nats").mkdir()
    async with AsyncExitStack() as stack:
        cluster = Cluster(f"nats://127.0.0.1:{port}", tmp_path)
        await cluster.start_registry()
        stack.push_async_callback(cluster.stop_registry)
        await cluster.start_router(stack)
        await eventually(cluster.refusal, lambda reason: reason == "no_model_available")
        async with working(cluster, "fleet-f", "worker-f"):
            with nats_server(tmp_path / "nats", port):
                await eventually(cluster.selected, bool)
            for _ in range(10):
                assert await cluster.selected() == ["fleet-f"]
                assert await cluster.instances("fleet-f") == ["worker-f"]
                await asyncio.sleep(LEASE / 5)
            with nats_server(tmp_path / "nats", port):
                for _ in range(10):
                    assert await cluster.selected() == ["fleet-f"]
                    await asyncio.sleep(LEASE / 5)
