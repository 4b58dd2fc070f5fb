"""The micro-batcher: whose rows are whose, what is dropped, what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_common.errors import ErrorCode
from olo_embed_worker.adapters.fake_engine import FakeEngine
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.errors import EngineFailed, QueueFull, Stopping
from olo_embed_worker.types import InputKind, Rows, Tokenized

PASSAGE, QUERY = InputKind.PASSAGE, InputKind.QUERY


@asynccontextmanager
async def batching(
    engine: FakeEngine,
    *,
    max_batch: int = 8,
    max_tokens: int = 1000,
    max_queue: int = 256,
    window: float = 0.002,
    threads: int = 1,
) -> AsyncIterator[MicroBatcher]:
    tokenizing = Lane("test-tokenizing", max_texts=max_queue)
    computing = Lane("test-computing", threads=threads, max_texts=max_queue)
    batcher = MicroBatcher(
        engine.tokenize,
        engine.embed,
        tokenizing=tokenizing,
        computing=computing,
        max_batch=max_batch,
        max_tokens=max_tokens,
        max_queue=max_queue,
        window_seconds=window,
    )
    task = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(tokenizing.close)
        await asyncio.to_thread(computing.close)


class GatedEngine(FakeEngine):
    """Waits in `embed` until it is let go; it says when enough threads have entered."""

    def __init__(self, enough: int = 1) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self._enough = enough

    def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
        self.entered.release()
        assert self.gate.wait(30)
        return super().embed(texts, kind)

    async def wait_entered(self) -> None:
        for _ in range(self._enough):
            assert await asyncio.to_thread(self.entered.acquire, timeout=30)


def words(count: int) -> str:
    return " ".join("w" * count)


requests = st.lists(
    st.tuples(st.lists(st.text("ab ", min_size=1, max_size=12), min_size=1, max_size=9), st.sampled_from(InputKind)),
    min_size=1,
    max_size=12,
)


@given(requests, st.integers(1, 16), st.integers(1, 3))
@settings(max_examples=60)
def test_each_waiter_gets_its_own_rows(
    requests: list[tuple[list[str], InputKind]], max_batch: int, threads: int
) -> None:
    engine = FakeEngine()

    async def scenario() -> None:
        async with batching(engine, max_batch=max_batch, window=0.0005, threads=threads) as batcher:
            answers = await asyncio.gather(*(batcher.embed(texts, kind) for texts, kind in requests))
        for (texts, kind), answer in zip(requests, answers, strict=True):
            np.testing.assert_array_equal(answer.rows, FakeEngine.rows(texts, kind))
            assert answer.tokens == [len(text.split()) for text in texts]

    asyncio.run(scenario())
    assert all(len(batch) <= max_batch for batch in engine.batches)
    assert sum(map(len, engine.batches)) == sum(len(texts) for texts, _ in requests)


async def test_concurrent_texts_share_a_batch_sorted_by_length() -> None:
    engine = FakeEngine()
    async with batching(engine, window=30.0) as batcher:
        texts = [words(n) for n in (5, 1, 7, 3, 8, 2, 6, 4)]
        await asyncio.gather(*(batcher.embed([text], PASSAGE) for text in texts))
    assert engine.batches == [sorted(texts, key=len)]


async def test_a_batch_is_cut_where_padding_would_cost_more_than_a_run() -> None:
    engine = FakeEngine()
    async with batching(engine, max_batch=4, window=30.0) as batcher:
        await asyncio.gather(*(batcher.embed([words(n)], PASSAGE) for n in (60, 2, 58, 1)))
    assert engine.batches == [[words(1), words(2)], [words(58), words(60)]]


async def test_what_waits_is_shared_among_idle_threads() -> None:
    engine = GatedEngine(enough=2)
    async with batching(engine, max_batch=8, window=3600.0, threads=2) as batcher:
        answers = asyncio.gather(*(batcher.embed([text], PASSAGE) for text in "abcdefgh"))
        await engine.wait_entered()
        engine.gate.set()
        await answers
    assert sorted(map(len, engine.batches)) == [4, 4]


async def test_a_query_does_not_wait_behind_many_passages() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch=2) as batcher:
        passages = asyncio.create_task(batcher.embed([f"p{i}" for i in range(20)], PASSAGE))
        await engine.wait_entered()
        query = asyncio.create_task(batcher.embed(["query"], QUERY))
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(passages, query)
    assert engine.batches[1] == ["query"]


async def test_long_texts_are_tokenized_off_the_event_loop() -> None:
    loop_thread = threading.get_ident()
    seen: list[int] = []

    class Watching(FakeEngine):
        def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
            seen.append(threading.get_ident())
            return super().tokenize(texts)

    async with batching(Watching()) as batcher:
        answer = await batcher.embed([words(3000)], PASSAGE)
    assert answer.tokens == [3000]
    assert loop_thread not in seen


async def test_a_full_batch_does_not_wait_for_the_window() -> None:
    async with batching(FakeEngine(), max_batch=4, window=3600.0) as batcher:
        assert len((await batcher.embed(["a", "b", "c", "d"], PASSAGE)).rows) == 4


async def test_cancelled_texts_are_never_computed() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch=1) as batcher:
        first = asyncio.create_task(batcher.embed(["first"], PASSAGE))
        await engine.wait_entered()
        given_up = asyncio.create_task(batcher.embed(["given", "up"], PASSAGE))
        last = asyncio.create_task(batcher.embed(["last"], PASSAGE))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert batcher.in_flight == 2
        engine.gate.set()
        await asyncio.gather(first, last)
        assert batcher.in_flight == 0
    assert engine.batches == [["first"], ["last"]]


async def test_cancelled_texts_make_room_in_the_queue() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch=1, max_queue=2) as batcher:
        tasks = [asyncio.create_task(batcher.embed(["running"], PASSAGE))]
        await engine.wait_entered()
        waiting = asyncio.create_task(batcher.embed(["a", "b"], PASSAGE))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await batcher.embed(["c"], PASSAGE)
        assert refused.value.code is ErrorCode.RESOURCE_EXHAUSTED
        assert refused.value.retry_after is not None
        assert 0 < refused.value.retry_after <= 5
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        tasks.append(asyncio.create_task(batcher.embed(["c"], PASSAGE)))
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(*tasks)
    assert engine.batches == [["running"], ["c"]]


async def test_cancelled_texts_of_a_running_batch_are_left_out() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch=2, window=30.0) as batcher:
        first = asyncio.create_task(batcher.embed([words(1)], PASSAGE))
        given_up = asyncio.create_task(batcher.embed([words(99)], PASSAGE))
        await engine.wait_entered()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        engine.gate.set()
        await first
    assert engine.batches == [[words(1)]]


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 12))
@settings(max_examples=40)
def test_a_bad_text_fails_its_own_caller_alone(bad: list[bool], max_batch: int) -> None:
    async def scenario() -> None:
        async with batching(FakeEngine(failing="bad"), max_batch=max_batch, window=0.0005) as batcher:
            asked = [["bad" if wrong else "good"] for wrong in bad]
            outcomes = await asyncio.gather(*(batcher.embed(texts, PASSAGE) for texts in asked), return_exceptions=True)
        assert [isinstance(outcome, EngineFailed) for outcome in outcomes] == bad

    asyncio.run(scenario())


async def test_a_vector_that_is_not_finite_fails_its_caller_alone() -> None:
    class Overflowing(FakeEngine):
        def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
            rows = super().embed(texts, kind)
            rows[[text.text == "huge" for text in texts], 3] = np.inf
            return rows

    async with batching(Overflowing(), max_batch=2, window=30.0) as batcher:
        outcomes = await asyncio.gather(
            batcher.embed(["huge"], PASSAGE), batcher.embed(["fine"], PASSAGE), return_exceptions=True
        )
    assert isinstance(outcomes[0], EngineFailed)
    assert not isinstance(outcomes[1], BaseException)


async def test_a_request_larger_than_a_batch_ends_where_a_part_of_it_fails() -> None:
    engine = FakeEngine(failing="bad")
    async with batching(engine, max_batch=2) as batcher:
        with pytest.raises(EngineFailed):
            await batcher.embed(["bad", "x", "y", "z"], PASSAGE)
        await batcher.embed(["after", "wards"], PASSAGE)
    assert ["y", "z"] not in engine.batches


async def test_whoever_waits_when_it_ends_is_told() -> None:
    engine = GatedEngine()
    async with batching(engine, max_batch=1) as batcher:
        tasks = [asyncio.create_task(batcher.embed([text], PASSAGE)) for text in ("runs", "waits")]
        await engine.wait_entered()
        asyncio.get_running_loop().call_later(0.01, engine.gate.set)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, Stopping) for outcome in outcomes)
    with pytest.raises(Stopping):
        await batcher.embed(["late"], PASSAGE)


async def test_the_pieces_of_two_callers_take_turns_and_cancelling_stops_between_them() -> None:
    lane = Lane("test", max_texts=100)
    gate, entered = threading.Event(), threading.Event()
    order: list[str] = []

    def slow(piece: Sequence[int]) -> list[int]:
        entered.set()
        assert gate.wait(30)
        order.append("slow")
        return list(piece)

    try:
        long = asyncio.create_task(lane.run_pieces(range(6), 2, slow))
        assert await asyncio.to_thread(entered.wait, 30)
        short = asyncio.create_task(lane.run(1, lambda: order.append("short")))
        await asyncio.sleep(0)
        gate.set()
        await short
        assert await long == [0, 1, 2, 3, 4, 5]
        assert order == ["slow", "short", "slow", "slow"]
        gate.clear()
        entered.clear()
        given_up = asyncio.create_task(lane.run_pieces(range(6), 2, slow))
        assert await asyncio.to_thread(entered.wait, 30)
        given_up.cancel()
        gate.set()
        await asyncio.gather(given_up, return_exceptions=True)
        await lane.run(1, lambda: order.append("last"))
        assert order[4:] == ["slow", "last"]
    finally:
        gate.set()
        await asyncio.to_thread(lane.close)


async def test_a_lane_refuses_more_than_its_bound_and_recovers() -> None:
    lane = Lane("test", max_texts=3)
    gate = threading.Event()
    try:
        running = asyncio.create_task(lane.run(3, lambda: gate.wait(30)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await lane.run(1, lambda: True)
        assert lane.in_flight == 1
        gate.set()
        assert await running
        assert await lane.run(3, lambda: True)
        assert lane.in_flight == 0
    finally:
        gate.set()
        await asyncio.to_thread(lane.close)
