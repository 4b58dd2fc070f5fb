"""The real engine on the demonstration model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from olo_llm_worker.adapters.child_engine import ChildEngine
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Finish, Job, Message, Result, Sampling

Schedule = Callable[..., Scheduler]

PASSAGES = (
    "[1] The bridge was opened in 1932.\n[2] The museum is closed on Mondays.\nQuestion: When was the bridge opened?"
)
MESSAGES = (
    Message("system", "Answer the question from the passages and cite them."),
    Message("user", PASSAGES),
)


async def run(scheduler: Scheduler, job: Job) -> tuple[Result, list[int]]:
    async with scheduler.generation(job) as generation:
        return await generation.result(), generation.token_ids


async def test_it_copies_a_sentence_of_the_passages(demo_engine: ChildEngine, schedule: Schedule) -> None:
    result, token_ids = await run(schedule(demo_engine), Job("r", MESSAGES))
    assert result.finish is Finish.STOP
    assert any(sentence in result.text for sentence in ("opened in 1932.", "closed on Mondays."))
    assert result.completion_tokens == len(token_ids)
    assert demo_engine.detokenize(token_ids) == result.text


async def test_a_resumed_greedy_answer_equals_the_uninterrupted_one(
    demo_engine: ChildEngine, schedule: Schedule
) -> None:
    scheduler = schedule(demo_engine)
    whole, token_ids = await run(scheduler, Job("r", MESSAGES))
    for length in range(1, len(token_ids) + 1):
        resumed, resumed_ids = await run(scheduler, Job("r", MESSAGES, prefix_token_ids=tuple(token_ids[:length])))
        assert (resumed.text, resumed_ids) == (whole.text, token_ids)
        assert (resumed.finish, resumed.completion_tokens) == (whole.finish, whole.completion_tokens)


async def test_length_and_stop_strings(demo_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(demo_engine)
    whole, token_ids = await run(scheduler, Job("r", MESSAGES))
    cut, _ = await run(scheduler, Job("r", MESSAGES, Sampling(max_tokens=3)))
    assert (cut.finish, cut.completion_tokens) == (Finish.LENGTH, 3)
    assert cut.text == demo_engine.detokenize(token_ids[:3])
    middle = whole.text[5:11]
    stopped, _ = await run(scheduler, Job("r", MESSAGES, Sampling(stop=(middle,))))
    assert (stopped.finish, stopped.text) == (Finish.STOP, whole.text[: whole.text.index(middle)])


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, max_tokens=20),
        Sampling(temperature=2.0, top_p=0.5, top_k=100_000, max_tokens=20),
        Sampling(temperature=1e-9, top_k=3, seed=2**64 - 1, max_tokens=20),
        Sampling(temperature=0.8, top_p=0.9, top_k=5, repetition_penalty=1.2, max_tokens=20),
    ],
)
async def test_every_kind_of_sampling_answers(demo_engine: ChildEngine, schedule: Schedule, sampling: Sampling) -> None:
    result, _ = await run(schedule(demo_engine), Job("r", MESSAGES, sampling))
    assert result.text


async def test_parallel_answers_are_those_given_alone(demo_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(demo_engine, max_concurrency=4, max_queue=8)
    jobs = [Job(str(i), (MESSAGES[0], Message("user", f"[1] Room {i} is blue.\nQuestion: Which?"))) for i in range(8)]
    alone = [(await run(scheduler, job))[0].text for job in jobs]
    together = await asyncio.gather(*(run(scheduler, job) for job in jobs))
    assert [result.text for result, _ in together] == alone
