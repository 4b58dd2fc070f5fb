"""What becomes of the answers when far more is asked than can be answered.

The peak is what callers get who wait for their answer before they ask again, and come back when they are told to. Then
callers come at a multiple of it, at times that nobody can hold up (open loop, Poisson); each multiple is held against
the mean of the peaks before and after it. Goodput is answers in time per second. Who is refused should learn it at
once, and when to come back. Some calls go to a server that does nothing but refuse: how long these take is the share of
gRPC, of the machine and of this process, whose cores are those of the services.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import uvloop
from tests.bench.fleet import fleet
from tests.bench.harness import write_csv
from tests.bench.refusing import refusing
from tests.bench.zero_cost import first_answer

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_client.errors import error_from_rpc
from olo_common.grpc_client import channel

FACTORS = (0.5, 1.0, *(2.0, 5.0, 10.0) * 3, 0.5)
CALLERS = 16
PEAK_SECONDS, LOAD_SECONDS, DEADLINE = 5.0, 9.0, 10.0
FLOOR_PER_SECOND = 25.0


@dataclass
class Seen:
    """What callers got. Times are in seconds."""

    asked: int = 0
    answers: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """When refused callers were told to come back."""
    limits: list[int] = field(default_factory=list)
    """How many runs the gateway had in flight at most when it refused."""
    other: list[str] = field(default_factory=list)
    failures: list[tuple[float, grpc.aio.AioRpcError]] = field(default_factory=list)
    """Not read yet: reading them takes the cores that answer."""

    def read(self) -> Seen:
        """With what the failures say."""
        for seconds, failure in self.failures:
            error = error_from_rpc(failure, "gateway")
            if error.code == "RESOURCE_EXHAUSTED":
                self.refusals.append(seconds)
                self.limits.append(int(error.metadata["limit"]))
                if error.retry_after is not None:
                    self.waits.append(error.retry_after)
            else:
                self.other.append(error.reason)
        self.failures.clear()
        return self


REQUEST = ChatRequest(messages=[inference.ChatMessage(role=inference.ROLE_USER, content="hello")])


async def ask(
    stub: GatewayServiceStub, seen: Seen, request: ChatRequest = REQUEST, metadata: Sequence[tuple[str, str]] = ()
) -> None:
    began = time.perf_counter()
    seen.asked += 1
    try:
        await stub.Chat(request, timeout=DEADLINE, metadata=metadata)
    except grpc.aio.AioRpcError as failure:
        seen.failures.append((time.perf_counter() - began, failure))
    else:
        seen.answers.append(time.perf_counter() - began)


async def peak(stub: GatewayServiceStub) -> float:
    """Answers in a second, to callers who wait for theirs; who is refused comes back when told to, or not any more."""
    answers, end = 0, time.perf_counter() + PEAK_SECONDS

    async def caller() -> None:
        nonlocal answers
        while (left := end - time.perf_counter()) > 0:
            seen = Seen()
            await ask(stub, seen)
            # Right after an overload some are told to come back in a minute: the peak is not what is answered by then.
            answers += len(seen.answers) if time.perf_counter() < end else 0
            await asyncio.sleep(min(left, *waits) if (waits := seen.read().waits) else 0.0)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return answers / PEAK_SECONDS


async def crowd(asks: Callable[[], Awaitable[None]], rate: float, draw: random.Random) -> None:
    """Callers who come at a rate, whatever becomes of those before them; returns when all have been served."""
    calls = set()
    began = due = time.perf_counter()
    while (due := due + draw.expovariate(rate)) < began + LOAD_SECONDS:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        calls.add(asyncio.ensure_future(asks()))
    await asyncio.gather(*calls)


async def load(
    stub: GatewayServiceStub, bare: GatewayServiceStub, rate: float, draw: random.Random
) -> tuple[Seen, Seen, float]:
    """What callers see at a rate, what those of the floor see meanwhile, and the goodput."""
    seen, floor = Seen(), Seen()
    began = time.perf_counter()
    beside = asyncio.create_task(crowd(lambda: ask(bare, floor), FLOOR_PER_SECOND, draw))
    await crowd(lambda: ask(stub, seen), rate, draw)
    goodput = len(seen.answers) / (time.perf_counter() - began)
    await beside
    return seen.read(), floor.read(), goodput


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


async def measured(target: str, bare_target: str) -> None:
    rows: list[list[object]] = []
    draw = random.Random(16)
    # A full collection here would look like a gateway that is slow.
    gc.collect()
    gc.freeze()
    async with channel(target) as opened, channel(bare_target) as bare_opened:
        stub, bare = GatewayServiceStub(opened), GatewayServiceStub(bare_opened)

        async def hello() -> None:
            await stub.Chat(REQUEST, timeout=5)

        await first_answer(hello)
        await peak(stub)
        before = await peak(stub)
        for factor in FACTORS:
            seen, floor, goodput = await load(stub, bare, before * factor, draw)
            after = await peak(stub)
            best = (before + after) / 2
            ratio = goodput / best
            p50, p99, rejects = share(seen.answers, 0.5), share(seen.answers, 0.99), share(seen.refusals, 0.99)
            limit = round(statistics.median(seen.limits)) if seen.limits else 0
            print(
                f"overload {factor:g}x of {before:.1f}/s ({after:.1f}/s after): goodput {ratio:.2f} of the peak;"
                f" {len(seen.answers)} answered, p50 {p50:.2f} s, p99 {p99:.2f} s; {len(seen.refusals)} refused,"
                f" p50 {share(seen.refusals, 0.5) * 1000:.0f} ms, p99 {rejects * 1000:.0f} ms, where one that costs"
                f" nothing takes p50 {share(floor.refusals, 0.5) * 1000:.0f} ms, p99"
                f" {share(floor.refusals, 0.99) * 1000:.0f} ms; {len(seen.waits)} told when to come back, limit"
                f" {limit}; {len(seen.other)} other {set(seen.other) or ''}"
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
                    len(seen.waits),
                    len(seen.other),
                    round(share(seen.refusals, 0.5), 4),
                    round(share(floor.refusals, 0.5), 4),
                    round(share(floor.refusals, 0.99), 4),
                    limit,
                ]
            )
            before = after
    header = ["times_peak", "peak_per_s", "goodput_per_s", "ratio", "asked", "answered", "answer_p50_s", "answer_p99_s"]
    header += ["refused", "refusal_p99_s", "told_when", "other", "refusal_p50_s", "floor_p50_s", "floor_p99_s", "limit"]
    write_csv("overload", header, rows)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        refusing("bare", Path(scratch)) as (bare, _),
        fleet(Path(scratch)) as (gateway, _),
    ):
        uvloop.run(measured(gateway, bare))
