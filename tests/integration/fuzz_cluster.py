"""All six services in one process, on the real servers, with engines that need no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

import olo_gateway.app
import olo_llm_worker.app
import olo_registry.app
import olo_retrieval.app
import olo_router.app
from olo_client import AsyncOlo
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_embed_worker.adapters.fake_engine import FakeEngine as EmbeddingEngine
from olo_embed_worker.app import serving as embed_worker
from olo_embed_worker.settings import EmbedWorkerSettings
from olo_gateway.settings import GatewaySettings
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.settings import LlmWorkerSettings
from olo_registry.settings import RegistrySettings
from olo_retrieval.settings import RetrievalSettings
from olo_router.settings import RouterSettings
from olo_testing.ports import free_port

MODEL, EMBEDDING, COLLECTION = "fuzz", "fuzz-embed", "demo"


@dataclass
class FuzzCluster:
    """What was started."""

    addresses: dict[str, str]
    http: str
    nats_url: str
    lifetimes: dict[str, Lifetime]
    channels: dict[str, grpc.aio.Channel]

    def failed(self) -> list[str]:
        """Services that have ended."""
        return [name for name, lifetime in self.lifetimes.items() if lifetime._over.is_set()]


@asynccontextmanager
async def fuzz_cluster(folder: Path, nats_url: str, temporal: str, **gateway: Any) -> AsyncIterator[FuzzCluster]:
    """Serves while entered; the collection `demo` has a document by then."""
    common: dict[str, Any] = {"grace_seconds": 0.0, "temporal": TemporalSettings(address=temporal)}
    bus = {"nats": NatsSettings(url=nats_url)}
    names = ("registry", "router", "llm-worker", "embed-worker", "retrieval", "gateway")
    lifetimes, addresses = {name: Lifetime() for name in names}, dict[str, str]()
    http_port = free_port()

    async def load(_: LlmWorkerSettings) -> FakeEngine:
        return FakeEngine()

    known, olo_llm_worker.app._load = olo_llm_worker.app._load, load  # type: ignore[assignment]
    async with AsyncExitStack() as stack:
        stack.callback(setattr, olo_llm_worker.app, "_load", known)

        async def enter(name: str, running: Any) -> None:
            addresses[name] = await stack.enter_async_context(running)

        registry = RegistrySettings(port=0, database_url=f"sqlite:///{folder}/registry.db", **common, **bus)
        await enter("registry", olo_registry.app.running(registry, lifetimes["registry"]))
        router = RouterSettings(port=0, registry_target=addresses["registry"], **common, **bus)
        await enter("router", olo_router.app.running(router, lifetimes["router"]))
        llm = LlmWorkerSettings(
            port=0, model_id=MODEL, model_directory=folder, default_flag=True, heartbeat_seconds=0.5, **common, **bus
        )
        await enter("llm-worker", olo_llm_worker.app.running(llm, lifetimes["llm-worker"]))
        embed = EmbedWorkerSettings(
            port=0, model_id=EMBEDDING, model="unused", default_flag=True, heartbeat_seconds=0.5, **common, **bus
        )
        await enter("embed-worker", embed_worker(embed, EmbeddingEngine(), lifetimes["embed-worker"]))
        retrieval = RetrievalSettings(
            port=0,
            database_url=f"sqlite:///{folder}/retrieval.db",
            router_target=addresses["router"],
            upkeep_seconds=0.5,
            **common,
            **bus,
        )
        await enter("retrieval", olo_retrieval.app.running(retrieval, lifetimes["retrieval"]))
        targets = {f"{name}_target": addresses[name] for name in ("registry", "router", "retrieval")}
        edge = GatewaySettings(
            port=0, http_port=http_port, files=str(folder / "files"), **targets, **common, **bus, **gateway
        )
        await enter("gateway", olo_gateway.app.running(edge, lifetimes["gateway"]))
        channels = {
            name: await stack.enter_async_context(grpc.aio.insecure_channel(address))
            for name, address in addresses.items()
        }
        yield FuzzCluster(addresses, f"http://127.0.0.1:{http_port}", nats_url, lifetimes, channels)


async def furnish(olo: AsyncOlo) -> None:
    """Waits for the models, and fills the collection."""
    async with asyncio.timeout(240):
        while {MODEL, EMBEDDING} - {model.model_id async for model in olo.models.list() if model.available}:
            await asyncio.sleep(0.05)
        await olo.collections.create(COLLECTION)
        await olo.documents.ingest(COLLECTION, "The tram leaves at six.", document_id="m")
        while (await olo.documents.get(COLLECTION, "m")).state != 2:
            await asyncio.sleep(0.05)
