"""What a stream through the gateway adds to the worker's own: before the first token, and between two.

The worker is the real one around an engine that takes its time. Gateway, router, registry and worker are processes of
their own, on a Temporal development server. Both kinds of stream are asked for in turn.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.durable_chat import first_answer
from tests.bench.harness import write_csv

from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from olo_common.grpc_client import channel
from olo_testing.ports import free_port
from olo_testing.processes import running
from olo_testing.servers import nats_server, temporal_server

ROUNDS = 40
TOKENS_PER_SECOND = 20
_MESSAGE = inference.ChatMessage(role=inference.ROLE_USER, content="#7# hello")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Timing:
    """Milliseconds to the first piece of text, and between each two."""

    first: float
    between: list[float]


@contextmanager
def house(directory: Path) -> Iterator[tuple[str, str]]:
    """The addresses of the gateway and of the worker behind it."""
    with ExitStack() as stack:
        temporal = stack.enter_context(temporal_server(directory))
        nats = stack.enter_context(nats_server(directory))
        common = {
            "OLO_NATS_URL": nats,
            "TEMPORAL_ADDRESS": temporal,
            "OLO_LOG_LEVEL": "error",
            "PYTHONPATH": str(_ROOT),
        }

        def part(module: str, prefix: str, **settings: str) -> str:
            port = free_port()
            env = {**common, f"{prefix}_PORT": str(port), f"{prefix}_METRICS_PORT": "0"}
            env |= {f"{prefix}_{name.upper()}": value for name, value in settings.items()}
            command = [sys.executable, "-m", module]
            stack.enter_context(running(command, port=port, log=directory / f"{module}.log", env=env))
            return f"127.0.0.1:{port}"

        registry = part("olo_registry", "OLO_REGISTRY", database_url=f"sqlite:///{directory / 'registry.db'}")
        router = part("olo_router", "OLO_ROUTER", registry_target=registry)
        common |= {
            "CHAOS_JOURNAL": str(directory / "journal"),
            "CHAOS_MODEL": "0",
            "CHAOS_TOKENS_PER_SECOND": str(TOKENS_PER_SECOND),
        }
        worker = part(
            "tests.chaos.llm_worker", "OLO_LLM_WORKER", model_id="slow", model_directory="unused", default_flag="true"
        )
        gateway = part(
            "olo_gateway", "OLO_GATEWAY", registry_target=registry, router_target=router, http_port=str(free_port())
        )
        yield gateway, worker


async def timed(texts: AsyncIterator[str]) -> Timing:
    """Reads a stream."""
    times = [time.perf_counter()]
    async for text in texts:
        if text:
            times.append(time.perf_counter())
    gaps = [1000 * (later - earlier) for earlier, later in pairwise(times)]
    return Timing(gaps[0], gaps[1:])


async def through_gateway(gateway: Any) -> AsyncIterator[str]:
    """A durable chat."""
    async for event in gateway.ChatStream(ChatStreamRequest(request=ChatRequest(messages=[_MESSAGE])), timeout=30):
        yield event.delta.text


async def from_worker(worker: Any) -> AsyncIterator[str]:
    """A generation."""
    request = inference.GenerateStreamRequest(request=inference.GenerateRequest(messages=[_MESSAGE]))
    async for response in worker.GenerateStream(request, timeout=30):
        yield response.chunk.text


async def measure() -> None:
    with tempfile.TemporaryDirectory() as scratch, house(Path(scratch)) as (gateway_address, worker_address):
        async with channel(gateway_address) as gateway_channel, channel(worker_address) as worker_channel:
            gateway, worker = GatewayServiceStub(gateway_channel), InferenceServiceStub(worker_channel)
            await first_answer(lambda: timed(through_gateway(gateway)))
            pairs = []
            for number in range(ROUNDS + 3):
                pair = await timed(through_gateway(gateway)), await timed(from_worker(worker))
                # The first ones warm up.
                if number >= 3:
                    pairs.append(pair)
    report(pairs)


def report(pairs: list[tuple[Timing, Timing]]) -> None:
    """Prints what is added, and writes each pair."""
    added = [subject.first - peer.first for subject, peer in pairs]
    middle = statistics.median(added)
    print(
        f"stream_latency first token: +{middle:.1f} ms (quartiles {_quartiles(added)}); "
        f"{statistics.median(s.first for s, _ in pairs):.1f} ms beside "
        f"{statistics.median(p.first for _, p in pairs):.1f} ms"
    )
    subject = [gap for s, _ in pairs for gap in s.between]
    peer = [gap for _, p in pairs for gap in p.between]
    middle = statistics.median(subject) - statistics.median(peer)
    print(
        f"stream_latency between tokens: {middle:+.2f} ms p50; p99 "
        f"{_percentile(subject, 99):.1f} ms beside {_percentile(peer, 99):.1f} ms"
    )
    rows = [
        [number, *(round(figure, 2) for t in pair for figure in (t.first, statistics.median(t.between)))]
        for number, pair in enumerate(pairs, start=1)
    ]
    header = ["round", "subject_first_ms", "subject_between_p50_ms", "peer_first_ms", "peer_between_p50_ms"]
    write_csv("stream_latency", header, rows)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _quartiles(values: list[float]) -> str:
    lower, _, upper = statistics.quantiles(values, n=4)
    return f"{lower:.1f} to {upper:.1f}"


def main() -> None:
    asyncio.run(measure())
