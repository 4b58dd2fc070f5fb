"""Requests that may kill the engine have it for themselves, until it has survived them or to their end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import EngineLost, ModelUnavailable
from olo_llm_worker.generation import dispatcher
from olo_llm_worker.generation.batching import Limits
from olo_llm_worker.generation.engine import Batch, Listener
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Company, Isolation, Job, Message, Result, Sampling
from olo_testing.waiting import until

Schedule = Callable[..., Scheduler]


class CrowdedEngine(FakeEngine):
    """Knows which questions it has had at the same time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(lambda question: question, **options)
        self.inside: list[str] = []
        self.crowds: list[tuple[str, ...]] = []

    async def generate(self, batch: Batch, listener: Listener) -> None:
        asked = [self.question((*batch.static_prompt, *prompt)) for prompt in batch.prompts]
        self.inside += asked
        self.crowds.append(tuple(self.inside))
        try:
            await super().generate(batch, listener)
        finally:
            for question in asked:
                self.inside.remove(question)

    @staticmethod
    def question(prompt: Sequence[int]) -> str:
        return bytes(prompt[: prompt.index(256)]).decode()


def job(content: str, isolation: Isolation = Isolation.NONE, **options: Any) -> Job:
    sampling = Sampling(max_tokens=100, **options)
    return Job(content, (Message("user", content),), sampling, isolation=isolation)


async def run(scheduler: Scheduler, work: Job) -> Result:
    async with scheduler.generation(work) as generation:
        return await generation.result()


class Witness:
    """Notes what it is asked to tell, and answers when it may."""

    def __init__(self, *, deaf_to: Company | None = None) -> None:
        self.told: list[Company] = []
        self.may = asyncio.Event()
        self.generation: Generation | None = None
        self._deaf_to = deaf_to

    async def __call__(self) -> bool:
        assert self.generation is not None
        company = self.generation.company
        self.told.append(company)
        await self.may.wait()
        return company is not self._deaf_to


async def test_others_make_place_until_the_first_token_and_lose_nothing(schedule: Schedule) -> None:
    engine = CrowdedEngine(stepwise=True)
    scheduler, witness = schedule(engine, max_concurrency=4, replicas=4, limits=Limits(rows=1)), Witness()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        first = await enter(scheduler.generation(job("first")))
        await until(lambda: scheduler.running == 1)
        suspect = witness.generation = await enter(scheduler.generation(job("suspect", Isolation.FIRST_TOKEN), witness))
        late = await enter(scheduler.generation(job("late")))
        assert suspect.company is Company.OUTSIDE
        await until(lambda: late.rows != [] and scheduler._dispatcher._party is suspect)
        assert witness.told == []
        engine.permit()
        await until(lambda: witness.told == [Company.ALONE])
        assert engine.inside == [], "the engine is empty before the suspect is told of"
        witness.may.set()
        await until(lambda: engine.inside == ["suspect"])
        witness.may.clear()
        engine.permit()
        await until(lambda: witness.told == [Company.ALONE, Company.SHARED])
        assert engine.inside == ["suspect"], "others wait until it is known that it is not alone any more"
        witness.may.set()
        await until(lambda: sorted(engine.inside) == ["first", "late", "suspect"])
        engine.permit(100)
        assert [(await each.result()).text for each in (first, suspect, late)] == ["first", "suspect", "late"]
    assert ("suspect",) in engine.crowds


async def test_one_that_was_lost_in_company_before_is_alone_to_its_end(schedule: Schedule) -> None:
    engine = CrowdedEngine()
    scheduler = schedule(engine, max_concurrency=8, replicas=8)
    works = [job(f"whole {number}", Isolation.WHOLE_ANSWER) for number in range(3)]
    others = [job(f"other {number}") for number in range(5)]
    results = await asyncio.gather(*(run(scheduler, work) for work in (*others, *works)))
    assert [result.text for result in results] == [work.request_id for work in (*others, *works)]
    assert all(len(crowd) == 1 for crowd in engine.crowds if any("whole" in question for question in crowd))


@pytest.mark.parametrize(("deaf_to", "ends"), [(Company.ALONE, "refused"), (Company.SHARED, "alone")])
async def test_a_suspect_of_which_nobody_can_be_told_harms_nobody(
    schedule: Schedule, deaf_to: Company, ends: str
) -> None:
    engine = CrowdedEngine()
    scheduler, witness = schedule(engine, max_concurrency=4, replicas=4), Witness(deaf_to=deaf_to)
    witness.may.set()
    async with scheduler.generation(job("suspect", Isolation.FIRST_TOKEN), witness) as suspect:
        witness.generation = suspect
        other = asyncio.create_task(run(scheduler, job("other")))
        if ends == "refused":
            with pytest.raises(ModelUnavailable):
                await suspect.result()
            assert suspect.company is Company.OUTSIDE
        else:
            assert (await suspect.result()).text == "suspect"
            assert suspect.company is Company.ALONE
        assert (await other).text == "other"
    assert not any({"suspect", "other"} <= set(crowd) for crowd in engine.crowds)


async def test_only_who_was_alone_is_told_so_when_the_engine_dies(schedule: Schedule) -> None:
    engine = CrowdedEngine(stepwise=True)
    scheduler = schedule(engine, max_concurrency=4, replicas=4)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        other = await enter(scheduler.generation(job("other")))
        await until(lambda: scheduler.running == 1)
        suspect = await enter(scheduler.generation(job("suspect", Isolation.FIRST_TOKEN)))
        await until(lambda: scheduler._dispatcher._party is suspect)
        engine.permit()
        await until(lambda: engine.inside == ["suspect"])
        engine.die()
        engine.permit(10)
        with pytest.raises(EngineLost):
            await suspect.result()
        await scheduler.lose()
        with pytest.raises(ModelUnavailable):
            await other.result()
        assert (suspect.company, other.company) == (Company.ALONE, Company.SHARED)
        assert other.token_ids == list(b"o")


async def test_what_cannot_be_read_again_is_waited_for_but_not_for_ever(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "VACATING_SECONDS", 0.05)
    engine = CrowdedEngine(stepwise=True)
    scheduler = schedule(engine, max_concurrency=4, replicas=4)
    async with scheduler.generation(job("stays", min_tokens=3)) as stays:
        await until(lambda: scheduler.running == 1)
        with pytest.raises(ModelUnavailable):
            await run(scheduler, job("suspect", Isolation.FIRST_TOKEN))
        engine.permit(100)
        assert (await stays.result()).text == "stays"
        assert (await run(scheduler, job("again", Isolation.FIRST_TOKEN))).text == "again"


async def test_a_suspect_that_goes_away_lets_others_in(schedule: Schedule) -> None:
    engine = CrowdedEngine(stepwise=True)
    scheduler = schedule(engine, max_concurrency=4, replicas=4)
    gone = asyncio.create_task(run(scheduler, job("gone", Isolation.WHOLE_ANSWER)))
    await until(lambda: engine.inside == ["gone"])
    other = asyncio.create_task(run(scheduler, job("other")))
    gone.cancel()
    engine.permit(100)
    assert (await other).text == "other"


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.text(alphabet="abc", min_size=1, max_size=20), st.sampled_from(Isolation), st.integers(1, 2)),
        min_size=1,
        max_size=10,
    ),
    st.integers(2, 5),
    st.integers(1, 3),
    st.sampled_from([0, 1, 3]),
)
def test_any_mix_ends_with_its_answers_and_nobody_beside_a_suspect(
    asked: list[tuple[str, Isolation, int]], concurrency: int, replicas: int, quantum: int
) -> None:
    async def scenario() -> None:
        engine = CrowdedEngine()
        policy = Policy(concurrency, 100, replicas=replicas, window=0.0, slice_tokens=quantum)
        scheduler = Scheduler(engine, policy)

        async def one(number: int, text: str, isolation: Isolation, n: int) -> None:
            mark = "w" if isolation is Isolation.WHOLE_ANSWER else "o"
            work = dataclasses.replace(job(f"{mark}{number} {text}", isolation), n=n)
            result = await run(scheduler, work)
            assert [choice.text for choice in result.choices] == [work.request_id] * n

        async with asyncio.timeout(20):
            await asyncio.gather(*(one(number, *asking) for number, asking in enumerate(asked)))
            await scheduler.close()
        for crowd in engine.crowds:
            assert len(set(crowd)) == 1 or not any(question.startswith("w") for question in crowd)

    asyncio.run(scenario())
