"""How near the engine comes to the machine, and what a system prompt that is kept computed saves.

Decoding reads every weight once for each step, so that the bandwidth of memory, over the bytes of the weights, bounds
the tokens a second of one row; that bound is measured in the same run. Weights that fit the caches can pass it.

The first token behind a shared system prompt of some 250 tokens is timed with and without keeping it.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tests.bench.harness import write_csv
from tests.bench.llm_throughput import CHECKPOINT, SENTENCE, Served

from olo_llm_worker.adapters.child_engine import Placement, start_engine
from olo_llm_worker.adapters.cores import physical_cores
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.generation.engine import Batch, Top
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Decoding, Job, Message, Sampling
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.conversion import convert
from olo_testing.checkpoints import random_checkpoint

ROUNDS = 5
STEPS = 48
SYSTEM = SENTENCE * 20


class Counter:
    """Counts the tokens of a batch, from its first on."""

    def __init__(self) -> None:
        self.tokens = 0
        self.start = 0.0

    def began(self, *, cached: bool) -> None:
        self.start = time.perf_counter()

    def token(self, row: int, token_id: int, logprob: float, top: Top = ()) -> bool:
        self.tokens += 1
        return False


def bandwidth(threads: int) -> float:
    """Bytes a second that this many threads read from memory."""
    blocks = [np.ones(16 * 1024 * 1024, dtype=np.float64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(np.max, blocks))
        return sum(block.nbytes for block in blocks) / (time.perf_counter() - began)


def decode(engine: NativeGenerator, prompt: tuple[int, ...], rows: int, replicas: int) -> float:
    """Tokens a second of batches of this many rows, one on each replica, without reading the prompt."""
    batch = Batch((prompt,) * rows, Decoding(min_tokens=STEPS), (STEPS,) * rows)
    counters = [Counter() for _ in range(replicas)]
    with ThreadPoolExecutor(replicas) as pool:
        list(pool.map(lambda counter: engine.generate(batch, counter), counters))
    end = time.perf_counter()
    return sum(counter.tokens - rows for counter in counters) / (end - min(counter.start for counter in counters))


def roofline(directory: ModelDirectory, replicas: int) -> None:
    weights = directory.file("model.bin").stat().st_size
    served = Served.of(directory, replicas)
    engine, prompt = served.engine, tuple(served.text.tokenize([Message("user", "When?")]))
    decode(engine, prompt, 1, replicas)
    rows = []
    for number in range(1, ROUNDS + 1):
        bound = bandwidth(replicas) / weights
        one, each, sixteen = (decode(engine, prompt, *how) for how in ((1, 1), (1, replicas), (16, 1)))
        rows.append([number, bound, one, each, sixteen])
    engine.close()
    served.plain.close()
    tell("one row on each replica beside the bound of memory", [row[3] / row[1] for row in rows])
    tell("sixteen rows beside one, on one replica", [row[4] / row[2] for row in rows])
    write_csv("llm_roofline", ["round", "bound_per_s", "one_per_s", "replicas_per_s", "sixteen_per_s"], rows)


def tell(what: str, ratios: list[float]) -> None:
    print(f"{what}: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})")


async def first_token(scheduler: Scheduler, number: int) -> tuple[float, int]:
    """Seconds to the first token, and the tokens that did not have to be computed."""
    job = Job(str(number), (Message("system", SYSTEM), Message("user", f"{number}?")), Sampling(max_tokens=1))
    began = time.perf_counter()
    async with scheduler.generation(job) as generation:
        result = await generation.result()
    return time.perf_counter() - began, result.cached_tokens


async def prefixes(directory: ModelDirectory, replicas: int) -> None:
    engines = [await start_engine(directory, Placement(replicas=replicas)) for _ in range(2)]
    kept, plain = (
        Scheduler(engine, Policy(16, 16, replicas=replicas, window=0.0, max_prefixes=limit))
        for engine, limit in zip(engines, (16, 0), strict=True)
    )
    await kept.warm([SYSTEM])
    await plain.warm([])
    rows = []
    hits = 0
    for number in range(ROUNDS * 4):
        (with_it, cached), (without, _) = await first_token(kept, number), await first_token(plain, number)
        hits += cached > 0
        rows.append([number, with_it, without, cached])
    for scheduler, engine in zip((kept, plain), engines, strict=True):
        await scheduler.close()
        await engine.close()
    tell("first token with the system prompt kept beside without", [row[1] / row[2] for row in rows])
    tell("requests that found it kept", [hits / len(rows)])
    write_csv("llm_prefixes", ["request", "kept_s", "plain_s", "cached_tokens"], rows)


def main() -> None:
    replicas = physical_cores()
    with tempfile.TemporaryDirectory() as home:
        source = random_checkpoint(
            Path(home) / "random", CHECKPOINT, hidden=512, layers=8, heads=8, inner=1408, context=2048
        )
        directory = convert(source, Path(home) / "int8", quantization="int8", name="random-30m")
        roofline(directory, replicas)
        asyncio.run(prefixes(directory, replicas))


if __name__ == "__main__":
    main()
