"""What becomes of the answers when far more is asked than can be answered.

The peak is what callers get who wait for their answer before they ask again. Then callers come at a multiple of it, at
times that nobody can hold up (open loop, Poisson); each multiple is measured right behind a peak of its own. Goodput is
answers in time per second. Who is refused should learn it at once, and when to come back.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tests.bench.fleet import fleet
from tests.bench.harness import write_csv
from tests.bench.zero_cost import first_answer

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_client.errors import error_from_rpc
from olo_common.grpc_client import channel

FACTORS = (0.5, 1.0, 2.0, 5.0, 10.0, 0.5)
CALLERS = 16
PEAK_SECONDS, LOAD_SECONDS, DEADLINE = 5.0, 9.0, 10.0


@dataclass
class Seen:
    """What callers got. Times are in seconds."""

    asked: int = 0
    answers: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    told_when: int = 0
    other: list[str] = field(default_factory=list)


async def ask(stub: GatewayServiceStub, seen: Seen) -> None:
    request = ChatRequest(messages=[inference.ChatMessage(role=inference.ROLE_USER, content="hello")])
    began = time.perf_counter()
    seen.asked += 1
    try:
        await stub.Chat(request, timeout=DEADLINE)
    except grpc.aio.AioRpcError as failure:
        error = error_from_rpc(failure, "gateway")
        if error.code == "RESOURCE_EXHAUSTED":
            seen.refusals.append(time.perf_counter() - began)
            seen.told_when += error.retry_after is not None
        else:
            seen.other.append(error.reason)
    else:
        seen.answers.append(time.perf_counter() - began)


async def peak(stub: GatewayServiceStub) -> float:
    """Answers in a second, to callers who wait for theirs."""
    seen, end = Seen(), time.perf_counter() + PEAK_SECONDS

    async def caller() -> None:
        while time.perf_counter() < end:
            await ask(stub, seen)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return len(seen.answers) / (time.perf_counter() - began)


async def load(stub: GatewayServiceStub, rate: float, draw: random.Random) -> tuple[Seen, float]:
    """What callers see at a rate, and the goodput."""
    seen, calls = Seen(), set()
    began = due = time.perf_counter()
    while (due := due + draw.expovariate(rate)) < began + LOAD_SECONDS:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        calls.add(asyncio.create_task(ask(stub, seen)))
    await asyncio.gather(*calls)
    return seen, len(seen.answers) / (time.perf_counter() - began)


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


async def measured(target: str) -> None:
    rows: list[list[object]] = []
    draw = random.Random(16)
    async with channel(target) as opened:
        stub = GatewayServiceStub(opened)

        async def hello() -> None:
            await stub.Chat(ChatRequest(messages=[{"role": inference.ROLE_USER, "content": "hello"}]), timeout=5)

        await first_answer(hello)
        await peak(stub)
        for factor in FACTORS:
            best = await peak(stub)
            seen, goodput = await load(stub, best * factor, draw)
            ratio = goodput / best
            p50, p99, rejects = share(seen.answers, 0.5), share(seen.answers, 0.99), share(seen.refusals, 0.99)
            print(
                f"overload {factor:g}x of {best:.1f}/s: goodput {ratio:.2f} of the peak;"
                f" {len(seen.answers)} answered, p50 {p50:.2f} s, p99 {p99:.2f} s; {len(seen.refusals)} refused,"
                f" p99 {rejects * 1000:.0f} ms, {seen.told_when} told when to come back;"
                f" {len(seen.other)} other {set(seen.other) or ''}"
            )
            rows.append(
                [
                    factor,
                    round(best, 2),
                    round(goodput, 2),
                    round(ratio, 3),
                    seen.asked,
                    len(seen.answers),
                    round(p50, 3),
                    round(p99, 3),
                    len(seen.refusals),
                    round(rejects, 4),
                    seen.told_when,
                    len(seen.other),
                ]
            )
    header = ["times_peak", "peak_per_s", "goodput_per_s", "ratio", "asked", "answered", "answer_p50_s", "answer_p99_s"]
    write_csv("overload", [*header, "refused", "refusal_p99_s", "told_when", "other"], rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, fleet(Path(scratch)) as (gateway, _):
        asyncio.run(measured(gateway))
