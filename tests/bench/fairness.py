"""One tenant with very many requests beside nine with few, on a model whose queue is full.

The peer is the same load without tenants: first come, first served. Runs are started as the gateway starts them, since
a caller cannot say yet which tenant it is.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from pathlib import Path

from temporalio.client import Client
from tests.bench.fleet import fleet
from tests.bench.harness import write_csv
from tests.bench.zero_cost import first_answer

from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_gateway.adapters.temporal_runs import TemporalRuns

ROUNDS = 2
NOISY, QUIET = 96, 9
AT_ONCE = 8
"""Runs that are started together: Temporal must take them faster than the model can answer them."""
SLOTS, SECONDS = 4, 1.0


async def begun(runs: TemporalRuns, tenant: str) -> str:
    """The id of a run that has been started."""
    request = ChatRequest(messages=[{"role": inference.ROLE_USER, "content": "hello"}], tenant=tenant)
    request.timeout.FromSeconds(120)
    run_id = f"run-{uuid.uuid4().hex}"
    await runs.start(run_id, request, "")
    return run_id


async def one(runs: TemporalRuns, tenant: str) -> float:
    """Seconds until the answer, without those that it takes to make it."""
    began = time.perf_counter()
    await runs.result(await begun(runs, tenant), 130)
    return time.perf_counter() - began - SECONDS


async def crowd(runs: TemporalRuns, *, fair: bool) -> tuple[float, float]:
    """The 95th percentile of what the quiet ones wait, and answers in a second."""
    began, noisy = time.perf_counter(), []
    for _ in range(NOISY // AT_ONCE):
        noisy += await asyncio.gather(*(begun(runs, "noisy" if fair else "all") for _ in range(AT_ONCE)))
    tenants = [f"quiet-{n}" if fair else "all" for n in range(QUIET)]
    waits = sorted(await asyncio.gather(*(one(runs, tenant) for tenant in tenants)))
    await asyncio.gather(*(runs.result(run_id, 130) for run_id in noisy))
    return waits[int(len(waits) * 0.95)], (NOISY + len(waits)) / (time.perf_counter() - began)


async def measured(temporal: str) -> None:
    runs = TemporalRuns(await Client.connect(temporal), eager=False)

    async def hello() -> None:
        await one(runs, "first")

    await first_answer(hello)
    rows: list[list[object]] = []
    for number in range(1, ROUNDS + 1):
        # In turns, so that neither always finds the machine warm.
        found = {fair: await crowd(runs, fair=fair) for fair in (number % 2 == 1, number % 2 == 0)}
        rows.append([number, *found[True], *found[False]])
    waits = [row[1] / row[3] for row in rows]  # type: ignore[operator]
    rates = [row[2] / row[4] for row in rows]  # type: ignore[operator]
    for what, ratios in (("wait of the quiet, p95", waits), ("answers in a second", rates)):
        print(
            f"fairness {what}: {statistics.median(ratios):.2f}x of first come, first served"
            f" ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    header = ["round", "fair_quiet_p95_s", "fair_per_s", "first_come_quiet_p95_s", "first_come_per_s"]
    write_csv("fairness", header, rows)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        fleet(Path(scratch), slots=SLOTS, seconds=SECONDS) as (_, temporal),
    ):
        asyncio.run(measured(temporal))
