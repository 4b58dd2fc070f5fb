from __future__ import annotations

import asyncio
import contextlib
import dataclasses
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
from olo_llm_worker.generation.batching import Limits
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Chunk, Finish, Job, Message, Result, Sampling
from olo_testing.waiting import until

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
    assert engine.dispatched[0].limits == (2,)


async def test_a_prefix_counts_for_the_least_length(schedule: Schedule) -> None:
    engine = FakeEngine("Hello there.")
    await run(schedule(engine), job(prefix=b"Hello ", min_tokens=8, max_tokens=10))
    assert (engine.dispatched[0].decoding.min_tokens, engine.dispatched[0].limits) == (2, (4,))


async def test_a_prefix_that_is_complete_needs_no_engine(schedule: Schedule) -> None:
    engine = FakeEngine("Hello there.")
    scheduler = schedule(engine)
    assert (await run(scheduler, job(prefix=b"Hello", max_tokens=5))).finish is Finish.LENGTH
    assert (await run(scheduler, job(prefix=b"Hello", stop=("lo",)))).text == "Hel"
    assert engine.dispatched == []


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=60), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_chunks_join_to_the_answer_at_their_offsets(text: str, stops: list[str]) -> None:
    async def scenario() -> None:
        scheduler = Scheduler(FakeEngine(text), Policy(1, 1))
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
    scheduler = schedule(engine, max_concurrency=2, max_queue=2, window=30.0)
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
    assert [len(batch.prompts) for batch in engine.dispatched] == [2, 2]
    await until(lambda: scheduler.running == 0)


async def test_a_deadline_ends_what_waits_and_what_runs(schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    async with scheduler.generation(job("runs", timeout=2.0)) as running:
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
    scheduler = Scheduler(engine, Policy(1, 4))
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


async def test_a_row_that_ends_early_does_not_wait_for_the_others(schedule: Schedule) -> None:
    engine = FakeEngine(lambda question: question, stepwise=True)
    scheduler = schedule(engine, max_concurrency=2, window=30.0)
    async with scheduler.generation(job(content="ab")) as short, scheduler.generation(job(content="abcdef")) as long:
        engine.permit(5)
        assert (await short.result()).text == "ab"
        assert not long.rows[0].outcome.done()
        engine.permit(3)
        assert (await long.result()).text == "abcdef"
    assert len(engine.dispatched) == 1


async def test_a_cancelled_row_leaves_its_batch_and_frees_its_place(schedule: Schedule) -> None:
    engine = FakeEngine("abcd", stepwise=True)
    scheduler = schedule(engine, max_concurrency=2, window=30.0)
    async with scheduler.generation(job("stays")) as stays:
        gone = asyncio.create_task(run(scheduler, job("gone")))
        await until(lambda: scheduler.running == 2)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        engine.permit(2)
        await until(lambda: scheduler.running == 1)
        engine.permit(6)
        assert (await stays.result()).text == "abcd"


async def test_a_long_answer_makes_place_only_for_those_that_wait(schedule: Schedule) -> None:
    engine = FakeEngine(lambda question: question, stepwise=True)
    scheduler = schedule(engine, max_concurrency=1, slice_tokens=2)
    async with scheduler.generation(job(content="abcdefgh")) as long:
        engine.permit(3)
        await until(lambda: long.rows != [] and long.rows[0].text == "abc")
        async with scheduler.generation(job(content="x")) as short:
            await until(lambda: bool(short.rows))
            engine.permit(100)
            assert (await short.result()).text == "x"
            assert (await long.result()).text == "abcdefgh"
    assert [batch.prompts[0] for batch in engine.dispatched[:2]] == [(*b"abcdefgh", 256), (*b"x", 256)]
    assert len(engine.dispatched) == 3
    assert engine.dispatched[2].prompts[0][:9] == (*b"abcdefgh", 256)


async def test_a_batch_holds_what_the_memory_of_the_device_does(schedule: Schedule) -> None:
    for limits, rows in ((Limits(rows=16), [2, 2]), (Limits(rows=16, tokens=100), [4])):
        engine = FakeEngine("ok", batch_tokens=30)
        scheduler = schedule(engine, max_concurrency=4, limits=limits, window=0.5)
        await asyncio.gather(*(run(scheduler, job(str(i), max_tokens=10)) for i in range(4)))
        assert [len(batch.prompts) for batch in engine.dispatched] == rows


async def test_a_system_prompt_that_comes_again_is_kept(schedule: Schedule) -> None:
    engine = FakeEngine("ok")
    scheduler = schedule(engine, max_prefixes=1)

    def asked(system: str, user: str) -> Job:
        return Job("r", (Message("system", system), Message("user", user)))

    first, second = "You are a very patient helper. ", "You are quite another helper. "
    cached = [(await run(scheduler, asked(first, user))).cached_tokens for user in ("a?", "b?", "c?", "?d")]
    assert cached == [0, 0, len(first), len(first)]
    assert [(await run(scheduler, asked(second, user))).cached_tokens for user in ("a", "b", "c")] == [0, 0, 0]
    assert [len(batch.static_prompt) for batch in engine.dispatched] == [0, *[len(first)] * 3, 0, 0, 0]


async def test_warming_keeps_system_prompts(schedule: Schedule) -> None:
    scheduler = schedule(FakeEngine("ok"), replicas=2)
    system = "You are a very patient helper. "
    await scheduler.warm([system])
    result = await run(scheduler, Job("r", (Message("system", system), Message("user", "a?"))))
    assert result.cached_tokens == len(system)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=40), st.integers(1, 60), st.booleans(), st.integers(1, 3)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0, 1, 3]),
)
def test_any_mix_ends_and_each_gets_its_own_answer(
    asked: list[tuple[str, int, bool, int]], concurrency: int, replicas: int, quantum: int
) -> None:
    async def scenario() -> None:
        engine = FakeEngine(lambda question: question)
        policy = Policy(concurrency, 100, replicas=replicas, window=0.0, slice_tokens=quantum)
        scheduler = Scheduler(engine, policy)

        async def one(number: int, text: str, tokens: int, gone: bool, n: int) -> None:
            work = dataclasses.replace(job(str(number), content=text, max_tokens=tokens), n=min(n, concurrency))
            task = asyncio.create_task(run(scheduler, work))
            await asyncio.sleep(0)
            if gone:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                return
            result = await task
            cut = text.encode()[:tokens].decode(errors="replace")
            assert [choice.text for choice in result.choices] == [cut] * work.n

        async with asyncio.timeout(20):
            await asyncio.gather(*(one(number, *asking) for number, asking in enumerate(asked)))
            await scheduler.close()
        assert scheduler.running == 0
        assert all(len(batch.prompts) <= concurrency for batch in engine.dispatched)

    asyncio.run(scenario())
