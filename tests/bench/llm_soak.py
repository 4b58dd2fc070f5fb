"""A long mixed load on the scheduler and the real engine, and whether memory stays flat.

Callers come and go at random: short and long prompts, all options, several answers, JSON that has to be repaired, and
callers that leave in the middle. Printed is the slope of resident memory over the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from pathlib import Path

import numpy as np
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
from olo_llm_worker.model_directory import convert

USERS = 16


def asked(number: int, source: random.Random) -> Job:
    system = f"{SENTENCE}Answer as helper {source.randrange(40)} does."
    return Job(
        str(number),
        (Message("system", system), Message("user", SENTENCE * source.randrange(8) + f"{number}?")),
        Sampling(
            max_tokens=source.randrange(1, 64),
            temperature=source.choice((0.0, 0.0, 0.9)),
            stop=source.choice(((), ("day",), ("e", "."))),
            repetition_penalty=source.choice((None, None, 1.2)),
            logprobs=source.random() < 0.2,
        ),
        timeout=source.choice((None, None, 0.05, 5.0)),
        n=source.choice((1, 1, 1, 3)),
        response_format=ResponseFormat(json=source.random() < 0.1),
    )


async def caller(scheduler: Scheduler, source: random.Random, until: float, ends: dict[str, int]) -> None:
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


async def soak(minutes: float, directory: Path) -> None:
    model = convert(CHECKPOINT, directory / "model", quantization="int8", name="demo")
    replicas = physical_cores()
    engine = await start_engine(model, Placement(replicas=replicas))
    scheduler = Scheduler(engine, Policy(USERS, 4, replicas=replicas, slice_tokens=16))
    processes = [psutil.Process(), psutil.Process(engine.pid)]
    began, ends = time.monotonic(), dict[str, int]()
    until = began + minutes * 60
    callers = [asyncio.create_task(caller(scheduler, random.Random(n), until, ends)) for n in range(USERS)]
    rows: list[list[float]] = []
    while time.monotonic() < until:
        resident = [process.memory_info().rss / 1e6 for process in processes]
        rows.append([time.monotonic() - began, *resident, float(sum(ends.values()))])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.gather(*callers)), min(2.0, minutes * 6))
    await asyncio.gather(*callers)
    await scheduler.close()
    await engine.close()
    late = np.array(rows[len(rows) // 2 :])
    print(f"{sum(ends.values())} requests in {minutes:g} min: {ends}; {scheduler.running} left in the engine")
    for column, name in enumerate(("worker", "engine"), start=1):
        slope = float(np.polyfit(late[:, 0], late[:, column], 1)[0]) * 3600 if len(late) > 2 else float("nan")
        print(f"{name}: {rows[-1][column]:.0f} MB resident, slope over the second half {slope:+.1f} MB an hour")
    write_csv("llm_soak", ["seconds", "worker_rss_mb", "engine_rss_mb", "requests"], rows)


def main(minutes: float = 1.0) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(soak(minutes, Path(home)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    main(**vars(parser.parse_args()))
