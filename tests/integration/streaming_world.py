"""Two gateways, a model that talks when it is told to, and what a caller has before it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import (
    FINISH_REASON_STOP,
    ROLE_USER,
    ChatMessage,
    GenerateRequest,
    GenerateResponse,
    TokenChunk,
)
from olo.router.v1 import router_service_pb2 as router
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import stream_subject
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.ports import free_port

PIECES = ["The ", "Nile ", "flöws ", "nörth, ", "from ", "Burundi."]
ANSWER = "".join(PIECES)


class Model:
    """Says its pieces one by one, as far as it is allowed to."""

    def __init__(self, bus: NatsBus) -> None:
        self.model_id = f"m-{uuid.uuid4().hex[:8]}"
        self.cancelled = asyncio.Event()
        self._bus = bus
        self._allowed = asyncio.Semaphore(0)
        self._said = asyncio.Queue[str]()

    async def say(self, pieces: int) -> None:
        """Has it say so many pieces, and waits until NATS has them."""
        for _ in range(pieces):
            self._allowed.release()
            await self._said.get()

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        heart = asyncio.create_task(self._beat())
        try:
            return await self._talk(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            heart.cancel()

    async def _talk(self, request: GenerateRequest) -> GenerateResponse:
        offset = 0
        for seq, piece in enumerate(PIECES):
            await self._allowed.acquire()
            chunk = TokenChunk(
                request_id=request.request_id, candidate=1, attempt=1, seq=seq, offset=offset, text=piece
            )
            await self._bus.publish(stream_subject(request.request_id), chunk.SerializeToString())
            await self._bus.flush()
            offset += len(piece.encode())
            self._said.put_nowait(piece)
        await self._allowed.acquire()
        return GenerateResponse(model_id=self.model_id, text=ANSWER, finish_reason=FINISH_REASON_STOP)

    async def _beat(self) -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.3)

    def end(self) -> None:
        """Lets it say whatever it has left."""
        for _ in range(len(PIECES) + 1):
            self._allowed.release()


class Router(router_grpc.RouterServiceServicer):
    async def SelectModels(self, request: Any, context: Any) -> router.SelectModelsResponse:
        chosen = router.Candidate(model_id=request.model, task_queue=llm_queue(request.model), free_slots=1)
        return router.SelectModelsResponse(candidates=[chosen])


class World:
    """Two gateways, and models to be asked."""

    def __init__(self, stack: AsyncExitStack, nats_url: str, temporal_address: str) -> None:
        self.stack = stack
        self.nats = NatsSettings(url=nats_url)
        self.temporal = TemporalSettings(address=temporal_address)

    async def build(self) -> None:
        self.client = await Client.connect(self.temporal.address)
        self.bus = await self.stack.enter_async_context(nats_bus(self.nats, "models"))
        server = grpc.aio.server()
        router_grpc.add_RouterServiceServicer_to_server(Router(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.stack.push_async_callback(server.stop, 0)
        self.router = f"127.0.0.1:{port}"
        self.here: Any = await self._stub()
        self.there: Any = await self._stub()
        await self.bus.wait_connected()

    async def _stub(self) -> Any:
        address = await self.stack.enter_async_context(running(self.settings(), Lifetime()))
        return GatewayServiceStub(await self.stack.enter_async_context(channel(address)))

    def settings(self, port: int = 0) -> GatewaySettings:
        return GatewaySettings(
            port=port,
            http_port=free_port(),
            router_target=self.router,
            nats=self.nats,
            temporal=self.temporal,
            grace_seconds=0.2,
        )

    @asynccontextmanager
    async def model(self) -> AsyncIterator[Model]:
        model = Model(self.bus)
        async with Worker(self.client, task_queue=llm_queue(model.model_id), activities=[model.generate]):
            try:
                yield model
            finally:
                model.end()

    async def state(self, run_id: str) -> int:
        shown = await call(self.here.GetRun, gateway.GetRunRequest(run_id=run_id), peer="gateway", timeout=5)
        return int(shown.run.state)


class Shown:
    """What a caller has before it, through all of its streams."""

    def __init__(self) -> None:
        self.text = ""
        self.run_id = ""
        self.checksum = 0
        self.kinds: list[str] = []
        self.completed: ChatResponse | None = None

    async def read(self, stream: Any, enough: str | None = None) -> None:
        """Reads until this text is shown, or the stream ends."""
        while (event := await stream.read()) is not grpc.aio.EOF:
            self.take(event)
            if self.text == enough:
                return

    def take(self, event: gateway.ChatStreamResponse) -> None:
        kind = event.WhichOneof("event") or ""
        self.kinds.append(kind)
        match kind:
            case "started":
                self.run_id = event.started.run_id
            case "delta":
                assert event.delta.offset == len(self.text.encode())
                self.text, self.checksum = self.text + event.delta.text, event.delta.checksum
            case "reset":
                self.text = ""
            case "completed":
                self.completed = event.completed

    def rest(self, **what: Any) -> gateway.ChatStreamRequest:
        """Asks for what is not shown yet."""
        return gateway.ChatStreamRequest(resume_offset=len(self.text.encode()), resume_checksum=self.checksum, **what)


def asked(model: Model, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="Where?")], model=model.model_id, **fields)
