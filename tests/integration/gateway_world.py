"""A gateway on real Temporal and NATS, with peers of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
from temporalio.client import Client
from temporalio.worker import Worker
from tests.integration.gateway_peers import FakeEmbedder, FakeModel, FakeRegistry, FakeRetrieval, FakeRouter

from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import (
    ROLE_USER,
    ChatMessage,
)
from olo.registry.v1 import registry_service_pb2_grpc as registry_grpc
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.grpc_client import call, channel
from olo_common.grpc_interceptors import ErrorInterceptor
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import nats_bus
from olo_common.payload_store import data_converter
from olo_common.settings import NatsSettings, PayloadSettings, TemporalSettings
from olo_contracts.queues import llm_queue
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.histories import recorded
from olo_testing.ports import free_port
from olo_testing.waiting import until

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

HISTORIES = Path(__file__).parents[2] / "services/gateway/tests/histories"
RECORD = os.environ.get("OLO_RECORD_HISTORIES") == "1"
"""Set it to record the kinds of histories that `test_gateway_replay.py` does not have yet."""


class World:
    """Everything that a test may touch."""

    router_type = FakeRouter
    retrieval_type: type[retrieval_grpc.RetrievalServiceServicer] = FakeRetrieval

    def __init__(self, payloads: PayloadSettings, of_models: PayloadSettings | None = None) -> None:
        self.payloads = payloads
        self.of_models = of_models or payloads
        self.stack = AsyncExitStack()
        self.models: dict[str, FakeModel] = {}

    async def serve(self, add: Callable[[Any, grpc.aio.Server], None], servicer: Any) -> str:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.stack.push_async_callback(server.stop, 0)
        return f"127.0.0.1:{port}"

    async def build(self, nats_url: str, temporal_address: str) -> None:
        self.client = await Client.connect(temporal_address, data_converter=data_converter(self.payloads))
        models = await Client.connect(temporal_address, data_converter=data_converter(self.of_models))
        bus = self.bus = await self.stack.enter_async_context(nats_bus(NatsSettings(url=nats_url), "models"))
        await bus.wait_connected()
        for model_id in ("one", "two"):
            model = self.models[model_id] = FakeModel(model_id, bus)
            worker = Worker(
                models,
                task_queue=llm_queue(model_id),
                activities=[model.generate],
                max_concurrent_activities=4,
            )
            await self.stack.enter_async_context(worker)
        routing, self.registry = self.router_type(), FakeRegistry()
        self.router = routing
        routing.embedding_address = await self.serve(
            embedding_grpc.add_EmbeddingServiceServicer_to_server, FakeEmbedder()
        )
        self.retrieval = self.retrieval_type()
        self.http_port = free_port()
        self.settings = GatewaySettings(
            port=0,
            http_port=self.http_port,
            router_target=await self.serve(router_grpc.add_RouterServiceServicer_to_server, routing),
            retrieval_target=await self.serve(retrieval_grpc.add_RetrievalServiceServicer_to_server, self.retrieval),
            registry_target=await self.serve(registry_grpc.add_RegistryServiceServicer_to_server, self.registry),
            nats=NatsSettings(url=nats_url),
            temporal=TemporalSettings(address=temporal_address, payloads=self.payloads),
            max_content_bytes=(1024 if self.payloads.store else 256) * 1024,
            grace_seconds=2,
            max_concurrent_workflow_tasks=16,
            keep_alive=0.3,
        )
        await self.enter()

    async def enter(self) -> None:
        """Starts the gateway; the one before must have ended."""
        self.inner = await self.stack.enter_async_context(AsyncExitStack())
        address = await self.inner.enter_async_context(running(self.settings, Lifetime()))
        self.channel = await self.inner.enter_async_context(channel(address))
        self.gateway: GatewayServiceAsyncStub = GatewayServiceStub(self.channel)
        self.http = await self.inner.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.http_port}", timeout=30)
        )
        await until(self._healthy)

    async def _healthy(self) -> bool:
        return (await self.http.get("/healthz")).status_code == 200

    async def chat(self, said: str, **fields: Any) -> ChatResponse:
        response: ChatResponse = await call(self.gateway.Chat, asked(said, **fields), peer="gateway", timeout=30)
        return response

    async def steps(self, run_id: str) -> list[str]:
        """The activities of a run, local ones too, as its history shows them."""
        names = []
        async for event in self.client.get_workflow_handle(run_id).fetch_history_events():
            if event.HasField("activity_task_scheduled_event_attributes"):
                names.append(event.activity_task_scheduled_event_attributes.activity_type.name)
            if event.HasField("marker_recorded_event_attributes"):
                details = event.marker_recorded_event_attributes.details
                names += [
                    name
                    for name in ("retrieve", "select")
                    if any(name.encode() in p.data for payloads in details.values() for p in payloads.payloads)
                ]
        return names

    async def record(self, name: str, run_id: str) -> None:
        path = HISTORIES / f"{name}.json"
        # What an earlier version has recorded is what its runs look like: it stays.
        if RECORD and not path.exists():
            history = await self.client.get_workflow_handle(run_id).fetch_history()
            HISTORIES.mkdir(exist_ok=True)
            path.write_text(recorded(history))


def asked(said: str, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage(role=ROLE_USER, content=said)], **fields)


@asynccontextmanager
async def worlds(
    nats_url: str, temporal_address: str, store: str = "", *, keys: Path | None = None, of_models: Path | None = None
) -> AsyncIterator[World]:
    """A world.

    Args:
        nats_url: Where NATS is.
        temporal_address: Where Temporal is.
        store: The folder of large payloads.
        keys: The file of the keys of payloads.
        of_models: That of the models, where it is another one.
    """
    own, theirs = (PayloadSettings(store=store, keys_file=file) for file in (keys, of_models or keys))
    world = World(own, theirs)
    async with world.stack:
        await world.build(nats_url, temporal_address)
        yield world


def key() -> str:
    return uuid.uuid4().hex


def body(said: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": said}], **fields}
