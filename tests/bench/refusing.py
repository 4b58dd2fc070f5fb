"""Servers that refuse every chat, as processes of their own: `python -m tests.bench.refusing bare|full|asking PORT`.

`bare` is gRPC and nothing else: the floor below a refusal. `full` is the gateway's side of it with no place left:
interceptors, servicer, admission and log as they are, around runs in memory. `asking` is that around the runs of the
Temporal at TEMPORAL_ADDRESS.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop

from olo.gateway.v1.gateway_service_pb2 import DESCRIPTOR
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer, add_GatewayServiceServicer_to_server
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.logs import configure_logs
from olo_common.rpc_status import abort
from olo_common.settings import LogSettings, TemporalSettings
from olo_common.temporal import temporal_client
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.adapters.temporal_runs import TemporalRuns
from olo_gateway.calls.chats import Chats
from olo_gateway.errors import Overloaded
from olo_gateway.ports import Runs
from olo_gateway.rpc.servicer import GatewayServicer
from olo_gateway.runs.admission.admission import Admission, Applicant
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.settings import GatewaySettings
from olo_gateway.telemetry import count_refusal
from olo_testing.ports import free_port
from olo_testing.processes import running

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def refusing(kind: str, directory: Path, temporal: str = "") -> Iterator[tuple[str, int]]:
    """A server of this kind; gives its address and the id of its process."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.refusing", kind, str(port)]
    log = directory / f"refusing-{kind}.log"
    env = {"PYTHONPATH": str(ROOT), "TEMPORAL_ADDRESS": temporal}
    with running(command, port=port, log=log, env=env, wait_seconds=120.0) as child:
        yield f"127.0.0.1:{port}", child.pid


class Refusing(GatewayServiceServicer):
    """Refuses every chat, and knows nothing of it."""

    async def Chat(self, request: Any, context: Any) -> None:  # type: ignore[override]  # it never answers
        facts = {"in_flight": "28", "limit": "32"}
        await abort(context, Overloaded("too many requests are in flight", retry_after=1.5, metadata=facts))


async def bare(port: int) -> None:
    server = grpc.aio.server()
    add_GatewayServiceServicer_to_server(Refusing(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def full(port: int) -> None:
    await serve(port, InMemoryRuns(_nothing))


async def asking(port: int) -> None:
    await serve(port, TemporalRuns(await temporal_client(TemporalSettings(), "refusing"), eager=False))


async def serve(port: int, runs: Runs) -> None:
    configure_logs(LogSettings(), "gateway")
    admission = Admission(Bounds(1, 1, 4.0), refuse=count_refusal)
    chats = Chats(runs, InMemoryTokenStreams(), admission, RunLimits(30.0, 60.0))
    servicer = GatewayServicer(
        chats, runs, InMemoryCatalogue([]), InMemoryEmbedding(), InMemoryTokenizing(), client_patience=5.0
    )
    service = DESCRIPTOR.services_by_name["GatewayService"]
    registration = Registration(service, add_GatewayServiceServicer_to_server, servicer)
    with admission.place(Applicant()):
        async with grpc_server(GatewaySettings(port=port), [registration], Health()):
            await asyncio.Event().wait()


async def _nothing(run_id: str, request: ChatRequest) -> ChatResponse:
    return ChatResponse()


if __name__ == "__main__":
    gc.freeze()
    uvloop.run({"bare": bare, "full": full, "asking": asking}[sys.argv[1]](int(sys.argv[2])))
