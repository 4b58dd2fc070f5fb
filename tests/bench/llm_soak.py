"""A long mixed load on the scheduler and the real engine, and whether memory stays flat.

Callers come and go at random: short and long prompts, all options, several answers, JSON that has to be repaired or is
held to a schema, and callers that leave in the middle. They pause as long as it takes to use some half of the cores.
Printed are the slopes of resident memory of worker and engine without the first third, with their 95 % confidence
intervals: `make soak MINUTES=20`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from tests.bench.harness import write_csv
from tests.bench.llm_throughput import CHECKPOINT, SENTENCE

from olo_common.errors import OloError
from olo_llm_worker.adapters.child_engine import Placement, start_engine
from olo_llm_worker.adapters.cores import physical_cores
from olo_llm_worker.generation.answers import answering
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Job, Message, ResponseFormat, Sampling
from olo_llm_worker.model_directory.conversion import convert

USERS = 16
CORES_USED = 0.5
"""Share of the cores that the load may take."""
SCHEMA = (
    '{"type": "object", "properties": {"at": {"type": "integer"}, "sure": {"type": "boolean"}}, "required": ["sure"]}'
)
BLOCKS = 12
T_95 = 2.228
"""Of Student's distribution, for a line through so many blocks."""


@dataclass
class Pace:
    """How long callers pause, so that the machine is not taken from others."""

    pause: float = 0.05

    def follow(self, share: float) -> None:
        """Adjusts to the share of the cores that was used."""
        self.pause = min(2.0, max(0.001, self.pause * (1.15 if share > CORES_USED else 0.9)))


def asked(number: int, source: random.Random) -> Job:
    form = source.choices(
        (ResponseFormat(), ResponseFormat(json=True), ResponseFormat(json=True, schema=SCHEMA, constrained=True)),
        (8, 1, 1),
    )[0]
    options: dict[str, Any] = {}
    if not form.constrained:
        options = {
            "stop": source.choice(((), ("day",), ("e", "."))),
            "repetition_penalty": source.choice((None, None, 1.2)),
            "logprobs": source.random() < 0.2,
        }
    system = f"{SENTENCE}Answer as helper {source.randrange(40)} does."
    return Job(
        str(number),
        (Message("system", system), Message("user", SENTENCE * source.randrange(8) + f"{number}?")),
        Sampling(max_tokens=source.randrange(1, 64), temperature=source.choice((0.0, 0.0, 0.9)), **options),
        timeout=source.choice((None, None, 0.05, 5.0)),
        n=source.choice((1, 1, 1, 3)),
        response_format=form,
    )


async def caller(scheduler: Scheduler, source: random.Random, until: float, ends: dict[str, int], pace: Pace) -> None:
    while time.monotonic() < until:
        job = asked(source.randrange(10**6), source)
        leaves = source.random() < 0.3
        end = "answered"
        try:
            async with answering(scheduler, job) as answer:
                async for _ in answer.chunks():
                    if leaves:
                        end = "left"
                        break
        except OloError as error:
            end = error.reason
            await asyncio.sleep(error.retry_after or 0.0)
        ends[end] = ends.get(end, 0) + 1
        await asyncio.sleep(source.uniform(0, 2 * pace.pause))


async def soak(minutes: float, directory: Path) -> None:
    model = convert(CHECKPOINT, directory / "model", quantization="int8", name="demo")
    replicas = physical_cores()
    engine = await start_engine(model, Placement(replicas=replicas))
    scheduler = Scheduler(engine, Policy(USERS, 4, replicas=replicas, slice_tokens=16))
    pace, began, ends, cores = Pace(), time.monotonic(), dict[str, int](), len(os.sched_getaffinity(0))
    until, pause = began + minutes * 60, min(2.0, minutes * 3)
    callers = [asyncio.create_task(caller(scheduler, random.Random(n), until, ends, pace)) for n in range(USERS)]
    processes = {"worker": psutil.Process(), "engine": psutil.Process(engine.pid)}
    rows: list[list[float]] = []
    used = seconds_used(processes.values())
    while time.monotonic() < until:
        at = time.monotonic()
        await asyncio.wait(callers, timeout=pause)
        before, used = used, seconds_used(processes.values())
        share = (used - before) / (time.monotonic() - at) / cores
        pace.follow(share)
        resident = [process.memory_info().rss / 2**20 for process in processes.values()]
        rows.append([time.monotonic() - began, *resident, share, float(sum(ends.values()))])
    await asyncio.gather(*callers)
    left = scheduler.running
    await scheduler.close()
    await engine.close()
    write_csv("llm_soak", ["seconds", "worker_rss_mib", "engine_rss_mib", "share_of_cores", "requests"], rows)
    print(f"{sum(ends.values())} requests in {minutes:g} min: {ends}; {left} left in the engine")
    for column, name in enumerate(processes, start=1):
        slope, margin = trend(np.array(rows)[len(rows) // 3 :, [0, column]])
        print(
            f"{name}: {rows[-1][column]:.0f} MiB resident, slope {slope:+.2f} MiB an hour "
            f"(95 %: {slope - margin:+.2f} to {slope + margin:+.2f})"
        )
    print(f"{statistics.mean(row[3] for row in rows):.0%} of the cores")


def seconds_used(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def trend(samples: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope of [seconds, MiB] an hour, and its margin. Means of blocks, because neighbouring samples are alike."""
    if len(samples) < BLOCKS:
        return float("nan"), float("nan")
    hours, mib = np.array([block.mean(axis=0) for block in np.array_split(samples, BLOCKS)]).T
    hours = (hours - hours.mean()) / 3600
    slope = float(hours @ mib / (hours @ hours))
    rest = mib - mib.mean() - slope * hours
    return slope, T_95 * float(np.sqrt(rest @ rest / (BLOCKS - 2) / (hours @ hours)))


def main(minutes: float = 1.0) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(soak(minutes, Path(home)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    main(**vars(parser.parse_args()))
