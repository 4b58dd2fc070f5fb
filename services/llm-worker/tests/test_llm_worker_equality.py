"""Answers that share batches are those given alone: on real weights and on random ones, both in float32.

Rounding depends on who else is in the batch. In float32 that has never changed a token here; with int8 weights, where
activations are rounded to 256 steps, a near-tie between two tokens may fall the other way, so that int8 is not held to
this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olo_llm_worker.adapters.child_engine import ChildEngine, Placement, start_engine
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Job, Message, Result, Sampling
from olo_llm_worker.model_directory.conversion import convert
from olo_testing.checkpoints import random_checkpoint

SYSTEMS = ("Answer the question from the passages and cite them.", "You are a helper who answers in few words only.")
PASSAGE = "[{}] The tram to the harbour runs every ten minutes on all days but Sunday.\n"


@dataclass(frozen=True)
class Asked:
    system: int
    passages: int
    sampling: Sampling
    gone_after: int | None
    """Text pieces after which the caller goes away."""


ASKED = st.lists(
    st.builds(
        Asked,
        st.integers(0, 2),
        st.integers(0, 6),
        st.builds(
            Sampling,
            max_tokens=st.integers(1, 40),
            stop=st.sampled_from([(), ("day",), (".", "e"), ("zzz",)]),
            repetition_penalty=st.sampled_from([None, None, 1.2]),
            min_tokens=st.sampled_from([0, 0, 1]),
            logprobs=st.sampled_from([False, False, True]),
        ),
        st.sampled_from([None, None, None, 0, 1]),
    ),
    min_size=2,
    max_size=12,
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples: the engine lives on it."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module", params=["demo", "random"])
def engine(
    request: pytest.FixtureRequest, runner: asyncio.Runner, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChildEngine]:
    home = tmp_path_factory.mktemp("exact")
    source = checkpoint
    if request.param == "random":
        source = random_checkpoint(home / "checkpoint", checkpoint, hidden=64, layers=2, heads=2, inner=128)
    directory = convert(source, home / "model", quantization="float32", name=request.param)
    engine = runner.run(start_engine(directory, Placement(compute_type="float32", replicas=2)))
    yield engine
    runner.run(engine.close())


def job(number: int, asked: Asked) -> Job:
    question = "".join(PASSAGE.format(i + 1) for i in range(asked.passages)) + f"Question {number}: when does it run?"
    system = (Message("system", SYSTEMS[asked.system]),) if asked.system < len(SYSTEMS) else ()
    return Job(str(number), (*system, Message("user", question)), asked.sampling)


async def alone(scheduler: Scheduler, work: Job) -> Result | None:
    async with scheduler.generation(work) as generation:
        with contextlib.suppress(Exception):
            return await generation.result()
    return None


async def together(scheduler: Scheduler, work: Job, gone_after: int | None) -> Result | None:
    async with scheduler.generation(work) as generation:
        with contextlib.suppress(Exception):
            if gone_after is None:
                return await generation.result()
            pieces = 0
            async for _ in generation.chunks():
                pieces += 1
                if pieces > gone_after:
                    break
    return None


@pytest.mark.parametrize("quantum", [0, 5])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED)
def test_answers_that_share_batches_are_those_given_alone(
    engine: ChildEngine, runner: asyncio.Runner, quantum: int, asked: list[Asked]
) -> None:
    async def scenario() -> None:
        jobs = [job(number, one) for number, one in enumerate(asked)]
        lone = Scheduler(engine, Policy(1, 4, window=0.0, max_prefixes=0))
        expected = [await alone(lone, work) for work in jobs]
        shared = Scheduler(engine, Policy(8, 64, replicas=2, slice_tokens=quantum))
        found = await asyncio.gather(
            *(together(shared, work, one.gone_after) for work, one in zip(jobs, asked, strict=True))
        )
        await shared.close()
        await lone.close()
        assert shared.running == 0
        for one, mine, theirs in zip(asked, found, expected, strict=True):
            if one.gone_after is None:
                assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert (mine.text, mine.finish) == (theirs.text, theirs.finish)
                assert mine.completion_tokens == theirs.completion_tokens
                assert len(mine.choices[0].logprobs) == (mine.completion_tokens if one.sampling.logprobs else 0)

    runner.run(scenario())


def test_the_prompt_is_never_generated_again(engine: ChildEngine, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        scheduler = Scheduler(engine, Policy(1, 4))
        work = job(0, Asked(0, 6, Sampling(max_tokens=4), None))
        async with scheduler.generation(work) as generation:
            result = await generation.result()
            assert len(generation.token_ids) == result.completion_tokens <= 4 < result.prompt_tokens
        await scheduler.close()

    runner.run(scenario())


def test_a_static_prompt_that_was_read_is_told(engine: ChildEngine, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        scheduler = Scheduler(engine, Policy(1, 4, replicas=2))
        system = "You help people with trams, ships and the times at which they run in this town."
        await scheduler.warm([system])
        work = Job("r", (Message("system", system), Message("user", "When?")), Sampling(max_tokens=2))
        result = None
        for _ in range(4):
            result = await alone(scheduler, work) or result
        assert result is not None and result.cached_tokens > 16
        await scheduler.close()

    runner.run(scenario())
