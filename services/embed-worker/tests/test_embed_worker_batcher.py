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
from olo_embed_worker.types import InputKind, Rows

PASSAGE, QUERY = InputKind.PASSAGE, InputKind.QUERY


@asynccontextmanager
async def batching(
    engine: FakeEngine, *, max_batch: int = 8, max_queue: int = 256, window: float = 0.002, sided: bool = True
) -> AsyncIterator[MicroBatcher]:
    lane = Lane("test", max_texts=max_queue)
    batcher = MicroBatcher(
        engine.embed,
        engine.count_tokens,
        lane=lane,
        sided=sided,
        max_batch=max_batch,
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
        await asyncio.to_thread(lane.close)


class GatedEngine(FakeEngine):
    """Waits in `embed` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()

    def embed(self, texts: Sequence[str], kind: InputKind) -> Rows:
        self.entered.set()
        assert self.gate.wait(30)
        return super().embed(texts, kind)

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 30)


requests = st.lists(
    st.tuples(st.lists(st.text("ab ", min_size=1, max_size=12), min_size=1, max_size=9), st.sampled_from(InputKind)),
    min_size=1,
    max_size=12,
)


@given(requests, st.integers(1, 16))
@settings(max_examples=60, deadline=None)
def test_each_waiter_gets_its_own_rows(requests: list[tuple[list[str], InputKind]], max_batch: int) -> None:
    engine = FakeEngine()

    async def scenario() -> None:
        async with batching(engine, max_batch=max_batch, window=0.0005) as batcher:
            answers = await asyncio.gather(*(batcher.embed(texts, kind) for texts, kind in requests))
        for (texts, kind), answer in zip(requests, answers, strict=True):
            np.testing.assert_array_equal(answer.rows, FakeEngine().embed(texts, kind))
            assert answer.tokens == engine.count_tokens(texts)

    asyncio.run(scenario())
    assert all(len(batch) <= max_batch for batch in engine.batches)
    assert sum(map(len, engine.batches)) == sum(len(texts) for texts, _ in requests)


async def test_concurrent_texts_share_a_batch_sorted_by_length() -> None:
    engine = FakeEngine()
    async with batching(engine, window=30.0) as batcher:
        texts = [" ".join("w" * n) for n in (5, 1, 7, 3, 8, 2, 6, 4)]
        await asyncio.gather(*(batcher.embed([text], PASSAGE) for text in texts))
    assert engine.batches == [sorted(texts, key=len)]


async def test_a_full_batch_does_not_wait_for_the_window() -> None:
    async with batching(FakeEngine(), max_batch=4, window=3600.0) as batcher:
        assert len((await batcher.embed(["a", "b", "c", "d"], PASSAGE)).rows) == 4


async def test_sides_share_a_batch_where_the_model_does_not_tell_them_apart() -> None:
    engine = FakeEngine()
    async with batching(engine, max_batch=2, window=3600.0, sided=False) as batcher:
        await asyncio.gather(batcher.embed(["a"], PASSAGE), batcher.embed(["b"], QUERY))
    assert engine.batches == [["a", "b"]]


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


async def test_a_failing_batch_fails_its_own_requests_alone() -> None:
    async with batching(FakeEngine(failing="bad"), max_batch=2, window=3600.0) as batcher:
        outcomes = await asyncio.gather(
            batcher.embed(["bad", "x"], PASSAGE), batcher.embed(["good", "y"], PASSAGE), return_exceptions=True
        )
    assert isinstance(outcomes[0], EngineFailed)
    assert not isinstance(outcomes[1], BaseException)


async def test_a_request_larger_than_a_batch_fails_once_where_a_part_fails() -> None:
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
