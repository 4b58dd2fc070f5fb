from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EmptyOutput,
    GenerationAborted,
    ModelUnavailable,
    QueueFull,
    WorkerStopping,
)
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Chunk, Finish, Job, Message, Result, Sampling

Schedule = Callable[..., Scheduler]


def job(request_id: str = "r", *, content: str = "hi", timeout: float | None = None, **options: object) -> Job:
    prefix = options.pop("prefix", b"")
    assert isinstance(prefix, bytes)
    sampling = Sampling(**options)  # type: ignore[arg-type]
    return Job(request_id, (Message("user", content),), sampling, tuple(prefix), timeout)


async def run(scheduler: Scheduler, work: Job) -> Result:
    async with scheduler.generation(work) as generation:
        return await generation.result()


async def collect(generation: Generation) -> list[Chunk]:
    return [chunk async for chunk in generation.chunks()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_an_answer_with_its_usage(schedule: Schedule) -> None:
    result = await run(schedule(FakeEngine("Hello.")), job())
    assert (result.text, result.finish) == ("Hello.", Finish.STOP)
    assert (result.prompt_tokens, result.completion_tokens) == (3, 6)


async def test_max_tokens_and_the_context_limit_cut_the_answer(schedule: Schedule) -> None:
    short = await run(schedule(FakeEngine("Hello.")), job(max_tokens=2))
    assert (short.text, short.finish, short.completion_tokens) == ("He", Finish.LENGTH, 2)
    tight = await run(schedule(FakeEngine("Hello.", context_limit=6)), job())
    assert (tight.text, tight.finish) == ("Hel", Finish.LENGTH)


async def test_a_prompt_over_the_context_limit_is_refused_before_dispatch(schedule: Schedule) -> None:
    engine = FakeEngine(context_limit=10)
    with pytest.raises(ContextTooLong, match=r"21 tokens .* 10") as refused:
        await run(schedule(engine), job(content="x" * 20))
    assert refused.value.field == "messages"
    assert engine.dispatched == []


async def test_a_stop_string_ends_the_answer(schedule: Schedule) -> None:
    result = await run(schedule(FakeEngine("One. Two. Three.")), job(stop=(" Three", ". T")))
    assert (result.text, result.finish) == ("One", Finish.STOP)


async def test_silence_is_an_error_unless_a_stop_string_asked_for_it(schedule: Schedule) -> None:
    with pytest.raises(EmptyOutput) as failed:
        await run(schedule(FakeEngine("")), job())
    assert failed.value.retryable
    assert (await run(schedule(FakeEngine("Stop")), job(stop=("Stop",)))).text == ""


async def test_a_prefix_is_continued_and_belongs_to_the_answer(schedule: Schedule) -> None:
    engine = FakeEngine("Hello there.")
    scheduler = schedule(engine)
    async with scheduler.generation(job(prefix=b"Hello ", max_tokens=8)) as generation:
        chunks = await collect(generation)
    result = chunks[-1].result
    assert result is not None
    assert (result.text, result.completion_tokens, result.finish) == ("Hello th", 8, Finish.LENGTH)
    assert "".join(chunk.text for chunk in chunks) == "Hello th"
    assert engine.dispatched[0].max_tokens == 2


async def test_a_prefix_that_is_complete_needs_no_engine(schedule: Schedule) -> None:
    engine = FakeEngine("Hello there.")
    scheduler = schedule(engine)
    assert (await run(scheduler, job(prefix=b"Hello", max_tokens=5))).finish is Finish.LENGTH
    assert (await run(scheduler, job(prefix=b"Hello", stop=("lo",)))).text == "Hel"
    assert engine.dispatched == []


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=60), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_chunks_join_to_the_answer_at_their_offsets(text: str, stops: list[str]) -> None:
    async def scenario() -> None:
        scheduler = Scheduler(FakeEngine(text), max_concurrency=1, max_queue=1)
        async with scheduler.generation(job(stop=tuple(stops), max_tokens=500)) as generation:
            chunks = await collect(generation)
        await scheduler.close()
        result = chunks[-1].result
        assert result is not None
        joined = b""
        for seq, chunk in enumerate(chunks):
            assert (chunk.seq, chunk.offset) == (seq, len(joined))
            assert (chunk.result is not None) == (seq == len(chunks) - 1)
            joined += chunk.text.encode()
        assert joined.decode() == result.text
        ends = [text.index(stop) for stop in stops if stop in text]
        assert text.startswith(result.text) and (bool(ends) or result.text == text)

    asyncio.run(scenario())


async def test_the_first_chunk_does_not_wait(schedule: Schedule) -> None:
    engine = FakeEngine("Hello.", stepwise=True)
    async with schedule(engine).generation(job()) as generation:
        chunks = generation.chunks()
        engine.permit()
        assert (await anext(chunks)).text == "H"
        engine.permit(5)
        assert "".join([chunk.text async for chunk in chunks]) == "ello."


async def test_no_more_run_than_there_are_slots_and_no_more_wait_than_allowed(schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine, max_concurrency=2, max_queue=2)
    async with AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(scheduler.generation(job(str(i)))) for i in range(4)]
        await until(lambda: scheduler.running == 2)
        assert scheduler.waiting == 2
        with pytest.raises(QueueFull) as refused:
            await run(scheduler, job("fifth"))
        assert refused.value.retry_after is not None and refused.value.retry_after > 0
        assert [generation.dispatched for generation in open_] == [True, True, False, False]
        engine.permit(8)
        assert {(await generation.result()).text for generation in open_} == {"ok"}
    assert len(engine.dispatched) == 4
    await until(lambda: scheduler.running == 0)


async def test_a_deadline_ends_what_waits_and_what_runs(schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    async with scheduler.generation(job("runs", timeout=0.05)) as running:
        await until(lambda: running.dispatched)
        with pytest.raises(DeadlineExceeded):
            await run(scheduler, job("waits", timeout=0.01))
        with pytest.raises(DeadlineExceeded):
            await running.result()
    assert scheduler.running == 1, "the slot is taken until the engine has stopped"
    engine.permit()
    await until(lambda: scheduler.running == 0)
    assert running.token_ids == [], "the step after the deadline is not taken"


async def test_a_deadline_that_has_passed_is_never_dispatched(schedule: Schedule) -> None:
    engine = FakeEngine()
    with pytest.raises(DeadlineExceeded):
        await run(schedule(engine), job(timeout=-1.0))
    assert engine.dispatched == []


async def test_a_caller_that_goes_away_frees_its_slot(schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    caller = asyncio.create_task(run(scheduler, job("gone")))
    await until(lambda: scheduler.running == 1)
    waiting = asyncio.create_task(run(scheduler, job("gone too")))
    await until(lambda: scheduler.waiting == 1)
    for task in (caller, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    engine.permit(3)
    assert (await run(scheduler, job("next"))).text == "ok"
    assert len(engine.dispatched) == 2


async def test_abort_ends_what_runs_and_what_waits(schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    tasks = [asyncio.create_task(run(scheduler, job("same"))) for _ in range(2)]
    await until(lambda: scheduler.running == 1 and scheduler.waiting == 1)
    assert scheduler.abort("same")
    assert not scheduler.abort("other")
    for task in tasks:
        with pytest.raises(GenerationAborted):
            await task
    assert not scheduler.abort("same")


async def test_a_failing_engine_is_one_clear_error_and_frees_the_slot(schedule: Schedule) -> None:
    engine = FakeEngine("ok")
    engine.failure = ModelUnavailable("the engine has failed")
    scheduler = schedule(engine)
    async with scheduler.generation(job()) as generation:
        with pytest.raises(ModelUnavailable):
            await collect(generation)
    engine.failure = None
    assert (await run(scheduler, job())).text == "ok"


async def test_closing_ends_everything_and_takes_nothing_new() -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = Scheduler(engine, max_concurrency=1, max_queue=4)
    tasks = [asyncio.create_task(run(scheduler, job(str(i)))) for i in range(2)]
    await until(lambda: scheduler.running == 1 and scheduler.waiting == 1)
    closing = asyncio.create_task(scheduler.close())
    for task in tasks:
        with pytest.raises(WorkerStopping):
            await task
    with pytest.raises(WorkerStopping):
        await run(scheduler, job("late"))
    engine.permit()
    await closing
    assert scheduler.running == 0
