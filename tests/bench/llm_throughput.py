"""The scheduler of the llm-worker beside what it replaces, on the same engine and the same requests.

Sixteen users send prompts of mixed lengths; arrivals are random (Poisson), the same for each way of serving:

- `ours`: the scheduler;
- `fifo`: what waits, up to sixteen, goes as it is into one batch, one batch at a time on all cores;
- `single`: one request at a time, on all cores;
- `ideal`: all requests known beforehand, in the fullest batches of like lengths, on the replicas of `ours`.

Written: tokens a second, and time to the first token as users see it.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import random
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.bench.harness import write_csv

from olo_llm_worker.adapters.child_engine import Placement, start_engine
from olo_llm_worker.adapters.cores import physical_cores
from olo_llm_worker.adapters.model_text import ModelText
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.generation.batching import Limits
from olo_llm_worker.generation.engine import END, Batch, Token, Top
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Decoding, Job, Message, Sampling
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.conversion import convert
from olo_llm_worker.model_directory.manifest import TOKENIZER, VOCABULARY
from olo_testing.checkpoints import random_checkpoint

CHECKPOINT = Path(__file__).resolve().parents[2] / "models/demo/checkpoint"
USERS = 16
SENTENCE = "The tram to the harbour runs every ten minutes. "


@dataclass
class Outcome:
    """What one way of serving has reached in one round."""

    tokens: int
    seconds: float
    first: list[float]

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass
class Workload:
    """Requests: prompt, tokens to generate, second of arrival."""

    jobs: list[Job]
    prompts: list[tuple[int, ...]]
    answers: list[int]
    arrivals: list[float]

    @classmethod
    def of(cls, text: ModelText, requests: int, rate: float, seed: int) -> Workload:
        source = random.Random(seed)
        jobs, arrivals, now = [], [], 0.0
        for number in range(requests):
            question = SENTENCE * source.choice((0, 1, 2, 4, 8, 16)) + f"{number}: when?"
            tokens = source.choice((8, 16, 24, 32))
            jobs.append(Job(str(number), (Message("user", question),), Sampling(max_tokens=tokens)))
            arrivals.append(now)
            now += source.expovariate(rate)
        prompts = [tuple(text.tokenize(job.messages)) for job in jobs]
        return cls(jobs, prompts, [job.sampling.max_tokens or 0 for job in jobs], arrivals)


@dataclass
class Counter:
    """Hears of a batch, ends rows at their lengths, and notes when each began to answer."""

    rows: Sequence[int]
    limits: Sequence[int]
    first: dict[int, float] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def began(self, *, cached: bool) -> None: ...

    def token(self, row: int, token_id: int, logprob: float, top: Top = ()) -> bool:
        number = self.rows[row]
        self.first.setdefault(number, time.perf_counter())
        if token_id == END:
            return True
        self.counts[number] = self.counts.get(number, 0) + 1
        return self.counts[number] >= self.limits[row]


def generate(engine: NativeGenerator, work: Workload, rows: Sequence[int], counters: list[Counter]) -> None:
    counter = Counter(rows, [work.answers[row] for row in rows])
    counters.append(counter)
    batch = Batch(tuple(work.prompts[row] for row in rows), Decoding(), tuple(counter.limits))
    engine.generate(batch, counter)


def naive(engine: NativeGenerator, work: Workload, size: int) -> Outcome:
    """Requests in the order of their arrival, up to `size` of those that wait in one batch."""
    waiting: queue.Queue[int | None] = queue.Queue()
    counters: list[Counter] = []

    def serve() -> None:
        while (number := waiting.get()) is not None:
            rows = [number]
            while len(rows) < size:
                try:
                    more = waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    waiting.put(None)
                    break
                rows.append(more)
            generate(engine, work, rows, counters)

    began = time.perf_counter()
    thread = threading.Thread(target=serve)
    thread.start()
    for number, arrival in enumerate(work.arrivals):
        time.sleep(max(0.0, began + arrival - time.perf_counter()))
        waiting.put(number)
    waiting.put(None)
    thread.join()
    return outcome(work, counters, began)


def ideal(engine: NativeGenerator, work: Workload, size: int, replicas: int) -> Outcome:
    """Everything is there at once, in full batches of like lengths."""
    batches: list[list[int]] = []
    for number in sorted(range(len(work.jobs)), key=lambda number: len(work.prompts[number])):
        length = len(work.prompts[number])
        if not batches or len(batches[-1]) == size or length > len(work.prompts[batches[-1][0]]) + 8:
            batches.append([])
        batches[-1].append(number)
    # The longest first, so that the replicas end together.
    batches.reverse()
    counters: list[Counter] = []
    began = time.perf_counter()
    with ThreadPoolExecutor(replicas) as threads:
        list(threads.map(lambda rows: generate(engine, work, rows, counters), batches))
    return outcome(work, counters, began)


def outcome(work: Workload, counters: Sequence[Counter], began: float) -> Outcome:
    seconds = time.perf_counter() - began
    first = {number: at for counter in counters for number, at in counter.first.items()}
    waits = [at - began - work.arrivals[number] for number, at in first.items()]
    return Outcome(sum(sum(counter.counts.values()) for counter in counters), seconds, waits)


async def ours(directory: ModelDirectory, work: Workload, replicas: int) -> Outcome:
    """The worker: its scheduler in this process, its engine in another."""
    engine = await start_engine(directory, Placement(replicas=replicas))
    await engine.generate(Batch((work.prompts[0],), Decoding(), (1,)), Deaf())
    policy = Policy(USERS * 2, len(work.jobs), replicas=replicas, limits=Limits(rows=USERS))
    scheduler = Scheduler(engine, policy)
    began = time.perf_counter()

    async def one(number: int) -> tuple[int, float]:
        await asyncio.sleep(max(0.0, began + work.arrivals[number] - time.perf_counter()))
        async with scheduler.generation(work.jobs[number]) as generation:
            chunks: AsyncIterator[object] = generation.chunks()
            await anext(chunks)
            first = time.perf_counter()
            result = await generation.result()
        return result.completion_tokens, first - began - work.arrivals[number]

    answers = await asyncio.gather(*(one(number) for number in range(len(work.jobs))), return_exceptions=True)
    seconds = time.perf_counter() - began
    await scheduler.close()
    await engine.close()
    good = [answer for answer in answers if not isinstance(answer, BaseException)]
    return Outcome(sum(tokens for tokens, _ in good), seconds, [first for _, first in good])


class Deaf:
    """Hears of a batch that nobody waits for."""

    def began(self, *, cached: bool) -> None: ...

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> tuple[int, ...]:
        return ()


@dataclass
class Served:
    """A model, its text side, and in this process an engine with replicas, and one with one on all cores."""

    directory: ModelDirectory
    text: ModelText
    engine: NativeGenerator
    plain: NativeGenerator

    @classmethod
    def of(cls, directory: ModelDirectory, replicas: int) -> Served:
        text = ModelText(directory)
        engine, plain = (
            NativeGenerator(directory.path, VOCABULARY, TOKENIZER, text.stop_ids, replicas=count, intra_threads=threads)
            for count, threads in ((replicas, 1), (1, replicas))
        )
        return cls(directory, text, engine, plain)


@contextmanager
def engines(replicas: int) -> Iterator[dict[str, Served]]:
    """The demonstration model, and one of 30 million random weights."""
    with tempfile.TemporaryDirectory() as home:
        random_source = random_checkpoint(
            Path(home) / "random", CHECKPOINT, hidden=512, layers=8, heads=8, inner=1408, context=2048
        )
        sources = {"demo": CHECKPOINT, "random-30m": random_source}
        built = {}
        for name, source in sources.items():
            directory = convert(source, Path(home) / f"{name}-int8", quantization="int8", name=name)
            built[name] = Served.of(directory, replicas)
        yield built
        for served in built.values():
            served.engine.close()
            served.plain.close()


def throughput(name: str, served: Served, replicas: int, rounds: int, requests: int) -> None:
    engine, plain = served.engine, served.plain
    calibration = Workload.of(served.text, 8, 1e6, seed=0)
    roof = ideal(engine, calibration, USERS, replicas).rate
    rows: list[list[object]] = []
    ratios: dict[str, list[float]] = {"fifo": [], "single": [], "ideal": []}
    waits: dict[str, list[float]] = {"ours": [], "fifo": [], "single": []}
    for number in range(1, rounds + 1):
        # Arrivals are faster than anything can serve, so that what is measured is the serving.
        work = Workload.of(served.text, requests, rate=roof / 2, seed=number)
        ways: dict[str, Callable[[], Outcome]] = {
            "fifo": partial(naive, plain, work, USERS),
            "single": partial(naive, plain, work, 1),
            "ideal": partial(ideal, engine, work, USERS, replicas),
        }
        mine = asyncio.run(ours(served.directory, work, replicas))
        waits["ours"] += mine.first
        rows.append([number, "ours", mine.tokens, mine.seconds, statistics.median(mine.first), p95(mine.first)])
        for way, serve in ways.items():
            theirs = serve()
            ratios[way].append(mine.rate / theirs.rate)
            if way in waits:
                waits[way] += theirs.first
            rows.append(
                [number, way, theirs.tokens, theirs.seconds, statistics.median(theirs.first), p95(theirs.first)]
            )
    for way, found in ratios.items():
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"{name} tokens/s beside {way}: {statistics.median(found):.2f}x ({spread})")
    for way, seconds in waits.items():
        print(f"{name} first token, {way}: p50 {statistics.median(seconds):.3f} s, p95 {p95(seconds):.3f} s")
    header = ["round", "way", "tokens", "seconds", "first_p50_s", "first_p95_s"]
    write_csv(f"llm_throughput_{name}", header, rows)


def p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def main(rounds: int = 3, requests: int = 24, models: Sequence[str] = ("demo", "random-30m")) -> None:
    replicas = physical_cores()
    with engines(replicas) as built:
        for name in models:
            throughput(name, built[name], replicas, rounds, requests)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--models", nargs="*", default=["demo", "random-30m"])
    main(**vars(parser.parse_args()))
