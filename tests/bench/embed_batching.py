"""What gathering the texts of 32 concurrent callers gains over fastembed, called for each text or with all of them.

Subject: 32 callers with one text each, through the batcher of the embed-worker, in this process. Peers, on the same
model directory in the same run: fastembed for each text, one after the other, and fastembed with the 32 texts as one
list, both with as many threads as the subject (all cores, or one). Short texts have the length of questions; a
longer one keeps a core busy by itself, so that there is less to be gained. The variant int8 is measured beside the
same peers, which compute in float32.

A batch is arithmetic, a single short text mostly the reading of weights. So the ratio hangs on what the cores compute
together: virtual ones may be two threads of one, or busy with others. That is measured in the same run.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from tests.bench.harness import Comparison, CpuClock, compare, write_csv

from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.minilm import build
from olo_embed_worker.types import InputKind

CALLERS = 32
ROUNDS = 6
SENTENCE = (
    "the pump was repaired on monday by a technician because pressure valve leaked water and report says maintenance "
    "schedule engine oil filter must be changed every season which employees may carry over into next year"
)
REST = 0.3
"""Seconds in which the threads of ONNX Runtime that the peers use stop to spin."""
PER_TEXT, AT_ONCE = "per text", "as one list"
"""How many times as fast as the peer; set for short texts in float32 on all cores."""

Row = list[object]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "minilm"
        build(directory)
        TextEmbedding.add_custom_model(
            "bench/minilm", PoolingType.MEAN, True, ModelSource(hf="bench/minilm"), dim=384, model_file="model.onnx"
        )
        asyncio.run(measured(directory))


async def measured(directory: Path) -> None:
    short, long = texts(3, 12), texts(20, 60)
    cores = len(os.sched_getaffinity(0))
    scaling(directory, cores, short)
    rows: list[Row] = []
    for name, precision, threads, sample in (
        ("short", "float32", cores, short),
        ("short", "int8", cores, short),
        ("long", "float32", cores, long),
        ("long", "int8", cores, long),
        ("short", "float32", 1, short),
    ):
        rows += await case(directory, name, precision, threads, sample)
    header = ["texts", "precision", "threads", "peer", "round", "times_as_fast", "cpu_ratio", "subject_s", "peer_s"]
    write_csv("embed_batching", header, rows)


def scaling(directory: Path, cores: int, sample: list[str]) -> None:
    """Prints how many times as much as one thread all threads compute, a batch each."""
    engine = engine_of(directory, "float32")
    batch = engine.tokenize(sample)

    def seconds(threads: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            began = time.perf_counter()
            list(pool.map(lambda _: engine.embed(batch, InputKind.QUERY), range(threads)))
            return time.perf_counter() - began

    seconds(cores)
    gains = [cores * seconds(1) / seconds(cores) for _ in range(ROUNDS)]
    engine.close()
    print(
        f"batches in {cores} threads: {statistics.median(gains):.2f}x as much as in one "
        f"({min(gains):.2f} to {max(gains):.2f}); {cores} where all cores are there for it"
    )


def texts(least: int, most: int) -> list[str]:
    chosen = random.Random(7)
    return [" ".join(chosen.choices(SENTENCE.split(), k=chosen.randint(least, most))) for _ in range(CALLERS)]


async def case(directory: Path, name: str, precision: str, threads: int, sample: list[str]) -> list[Row]:
    peer = TextEmbedding("bench/minilm", specific_model_path=str(directory), threads=threads)

    async def per_text() -> None:
        for text in sample:
            list(peer.embed([text]))

    async def at_once() -> None:
        list(peer.embed(sample))

    rows: list[Row] = []
    async with batching(directory, precision, threads) as batcher:

        async def subject() -> None:
            await asyncio.gather(*(batcher.embed([text], InputKind.QUERY) for text in sample))

        for kind, operation in ((PER_TEXT, per_text), (AT_ONCE, at_once)):
            comparison = await compare(subject, operation, rounds=ROUNDS, times=1, clock=CpuClock(), rest=REST)
            rows += reported([name, precision, threads, kind], comparison)
    return rows


def reported(case: list[Any], comparison: Comparison) -> list[Row]:
    faster = [1 / ratio for ratio in comparison.ratios("p50")]
    cpu = comparison.ratios("cpu")
    name, precision, threads, kind = case
    middle = statistics.median(faster)
    print(
        f"{CALLERS} {name} texts, {precision}, threads {threads}: {middle:.2f}x as fast as fastembed {kind} "
        f"({min(faster):.2f} to {max(faster):.2f}); CPU time {statistics.median(cpu):.2f}x"
    )
    return [
        [*case, i, round(fast, 3), round(ratio, 3), round(s.p50, 5), round(p.p50, 5)]
        for i, (fast, ratio, s, p) in enumerate(
            zip(faster, cpu, comparison.subject, comparison.peer, strict=True), start=1
        )
    ]


def engine_of(directory: Path, precision: str) -> FastembedEngine:
    return FastembedEngine(str(directory), int8=precision == "int8", sparse="", reranker="", threads=1, cache_dir="")


@asynccontextmanager
async def batching(directory: Path, precision: str, threads: int) -> AsyncIterator[MicroBatcher]:
    """The embed-worker's engine and batcher with its default settings, and a replica for each thread."""
    engine = engine_of(directory, precision)
    tokenizing, computing = Lane("tokenizing", max_texts=2048), Lane("computing", threads=threads, max_texts=2048)
    batcher = MicroBatcher(
        engine.tokenize,
        engine.embed,
        tokenizing=tokenizing,
        computing=computing,
        max_batch=64,
        max_tokens=512,
        max_queue=2048,
        window_seconds=0.003,
    )
    owner = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        for lane in (tokenizing, computing):
            await asyncio.to_thread(lane.close)
        engine.close()
