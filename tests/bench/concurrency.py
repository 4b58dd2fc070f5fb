"""Durable chats beside bare workflows with one activity, 1 to 200 at once, on a database in memory and on a file.

Everything in Python is in this process; see `durable_chat`. The limit of runs in flight is fixed here: what is measured
is the path, not its protection.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import psutil
from tests.bench.durable_chat import BareWorkflow, house
from tests.bench.harness import CpuClock, write_csv
from tests.bench.zero_cost import first_answer

from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_testing.servers import nats_server, temporal_server

LEVELS = (1, 10, 50, 200)
ROUNDS = {1: 3, 10: 3}
"""Of subject and peer in turn; once where many are at it anyway."""
FEWEST, MOST = 30, 200


async def at_once(operation: Callable[[], Awaitable[object]], callers: int, clock: CpuClock) -> tuple[float, ...]:
    """Median latency and CPU per request in seconds, requests in a second, and how many were sent away."""
    left, latencies, sent_away = max(FEWEST, min(MOST, callers * 2)), [], 0

    async def caller() -> None:
        nonlocal left, sent_away
        while left > 0:
            left -= 1
            began = time.perf_counter()
            try:
                await operation()
            except grpc.aio.AioRpcError:
                sent_away, left = sent_away + 1, left + 1
            else:
                latencies.append(time.perf_counter() - began)

    cpu, began = clock.now(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    spent = time.perf_counter() - began
    return statistics.median(latencies), (clock.now() - cpu) / len(latencies), len(latencies) / spent, sent_away


async def measure(database: str) -> list[list[object]]:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        in_memory = database == "memory"
        with temporal_server(directory, in_memory=in_memory) as temporal, nats_server(directory) as nats:
            clock = CpuClock(psutil.Process().children())
            fixed = {"max_runs_in_flight": 256, "min_runs_in_flight": 256}
            async with house(temporal, nats, directory, **fixed) as (gateway, client):
                message = inference.ChatMessage(role=inference.ROLE_USER, content="hello")

                async def durable_chat() -> None:
                    await gateway.Chat(ChatRequest(messages=[message]), timeout=60)

                async def bare_workflow() -> None:
                    request = inference.GenerateRequest(messages=[message])
                    await client.execute_workflow(
                        BareWorkflow.run, request, id=uuid.uuid4().hex, task_queue="bench-workflow"
                    )

                await first_answer(durable_chat)
                for callers in LEVELS:
                    pairs = [
                        (await at_once(durable_chat, callers, clock), await at_once(bare_workflow, callers, clock))
                        for _ in range(ROUNDS.get(callers, 1))
                    ]
                    rows += [[database, callers, *subject, *peer[:3]] for subject, peer in pairs]
                    p50, cpu, rate = (statistics.median(s[n] / p[n] for s, p in pairs) for n in range(3))
                    print(
                        f"concurrency {callers} on {database}: p50 {p50:.2f}x, CPU {cpu:.2f}x, throughput {rate:.2f}x"
                        f" of the bare workflow; {sum(s[3] for s, _ in pairs):.0f} sent away"
                    )
    return rows


def main() -> None:
    rows = [row for database in ("memory", "file") for row in asyncio.run(measure(database))]
    header = ["database", "callers", "subject_p50_s", "subject_cpu_s", "subject_per_s", "subject_sent_away"]
    write_csv("concurrency", [*header, "peer_p50_s", "peer_cpu_s", "peer_per_s"], rows)
