"""Callers that ask for a stream and then read nothing, over real connections."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psutil
import pytest

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub, add_GatewayServiceServicer_to_server
from olo.gateway.v1.run_pb2 import RUN_STATE_CANCELLED, RUN_STATE_RUNNING, ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ROLE_USER, ChatMessage
from olo_common.grpc_interceptors import ErrorInterceptor
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_common.rpc_status import from_rpc_error
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.calls.chats import Chats
from olo_gateway.http.app import http_app
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.rpc.servicer import GatewayServicer
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.streaming.events import Chunk

PATIENCE = 0.3
PIECE = "many words " * 3000
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
"""So that the caller's end of the connection does not take all of the answer."""


class Edge:
    """A gateway whose only model talks for as long as it is let."""

    def __init__(self) -> None:
        self.tokens = InMemoryTokenStreams()
        self.runs = InMemoryRuns(self._talk)
        self.admission = Admission(Bounds(8, 8, 4.0))
        self.chats = Chats(self.runs, self.tokens, self.admission, RunLimits(60.0, 60.0))
        self.app = http_app(
            self.chats,
            InMemoryCatalogue([]),
            InMemoryRouting(),
            Health(),
            StreamPace(5.0, PATIENCE),
            runs=self.runs,
            embedding=InMemoryEmbedding(),
            tokenizing=InMemoryTokenizing(),
        )
        self.servicer = GatewayServicer(
            self.chats,
            self.runs,
            InMemoryCatalogue([]),
            InMemoryEmbedding(),
            InMemoryTokenizing(),
            client_patience=PATIENCE,
        )

    async def _talk(self, run_id: str, request: ChatRequest) -> ChatResponse:
        offset = 0
        while True:
            self.tokens.say(run_id, Chunk(1, 1, offset, PIECE))
            offset += len(PIECE)
            await asyncio.sleep(0.01)

    async def left(self) -> None:
        """Waits until nobody is served any more."""
        async with asyncio.timeout(20):
            while self.admission.in_flight:
                await asyncio.sleep(0.01)
            await self.chats.close()


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
async def target(edge: Edge) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    add_GatewayServiceServicer_to_server(edge.servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.mark.parametrize(("store", "state"), [(False, RUN_STATE_CANCELLED), (True, RUN_STATE_RUNNING)])
async def test_a_grpc_caller_that_does_not_read_is_closed(edge: Edge, target: str, store: bool, state: int) -> None:
    async with grpc.aio.insecure_channel(target, options=SMALL_WINDOW) as channel:
        stub: Any = GatewayServiceStub(channel)
        request = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="talk")], store=store)
        stream = stub.ChatStream(gateway.ChatStreamRequest(request=request))
        assert (await stream.read()).HasField("started")
        await edge.left()
        assert (await edge.runs.get(edge.runs.started[0][0])).state == state
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await stream.read() is not grpc.aio.EOF:
                pass
        assert from_rpc_error(caught.value, peer="gateway").reason == "client_too_slow"


async def test_an_http_caller_that_does_not_read_is_closed(edge: Edge) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "talk"}], "stream": True}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    async with http_server(edge.app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=PATIENCE) as address:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, _, port = address.partition(":")
            await asyncio.to_thread(client.connect, (host, int(port)))
            client.sendall(head.encode() + body)
            async with asyncio.timeout(20):
                while not edge.admission.in_flight:
                    await asyncio.sleep(0.01)
            await edge.left()
            run_id = edge.runs.started[0][0]
            assert (await edge.runs.get(run_id)).state == RUN_STATE_CANCELLED
            async with asyncio.timeout(20):
                while any(c.laddr.port == int(port) and c.raddr for c in psutil.Process().net_connections("tcp")):
                    await asyncio.sleep(0.05)
