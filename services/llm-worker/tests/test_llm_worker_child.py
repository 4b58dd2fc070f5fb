"""The engine's process: what it survives, what it does not, and what the worker sees of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from olo_llm_worker.adapters import engine_line
from olo_llm_worker.adapters.child_engine import ChildEngine, Placement, start_engine
from olo_llm_worker.adapters.frames import Frame, Ping
from olo_llm_worker.adapters.gpu import tokens_that_fit
from olo_llm_worker.errors import EngineLost, GenerationStalled, ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import Batch, Token, Top
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Decoding, Job, Message, Sampling
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.shapes import cache_values_per_token

ENDLESS = Sampling(max_tokens=1500, min_tokens=1500)


class Heard:
    """Keeps tokens; ends all rows after so many, or fails."""

    def __init__(self, enough: int = 10**9, failure: Exception | None = None) -> None:
        self.ids: list[int] = []
        self._enough = enough
        self._failure = failure

    def began(self, *, cached: bool) -> None:
        if self._failure is not None:
            raise self._failure

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> set[int]:
        self.ids += [token_id for _, token_id, _ in tokens]
        return {row for row, _, _ in tokens} if len(self.ids) >= self._enough else set()


@pytest_asyncio.fixture
async def engine(demo_directory: ModelDirectory) -> AsyncIterator[ChildEngine]:
    engine = await start_engine(demo_directory, Placement())
    yield engine
    await engine.close()


def endless(engine: ChildEngine) -> Batch:
    prompt = tuple(engine.tokenize([Message("user", "Count.")]))
    return Batch((prompt,), Decoding(min_tokens=1500), (1500,))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
async def test_a_dead_engine_fails_what_was_in_it_and_leaves_the_worker(
    engine: ChildEngine, number: signal.Signals
) -> None:
    scheduler = Scheduler(engine, Policy(1, 4))
    job = Job("in", (Message("user", "Count."),), ENDLESS)
    async with AsyncExitStack() as stack:
        inside = await stack.enter_async_context(scheduler.generation(job))
        assert (await anext(inside.chunks())).text
        outside = await stack.enter_async_context(scheduler.generation(replace(job, request_id="out")))
        os.kill(engine.pid, number)
        await engine.lost()
        await scheduler.lose()
        with pytest.raises(EngineLost) as lost:
            await inside.result()
        assert (lost.value.reason, lost.value.retryable) == ("engine_lost", True)
        assert inside.token_ids, "a later attempt can go on from here"
        with pytest.raises(ModelUnavailable):
            await outside.result()
    with pytest.raises(ModelUnavailable):
        await engine.generate(endless(engine), Heard())


async def test_an_engine_that_does_not_answer_is_killed(
    demo_directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_line, "PULSE_SECONDS", 0.01)
    engine = await start_engine(demo_directory, Placement())
    os.kill(engine.pid, signal.SIGSTOP)
    with pytest.raises(GenerationStalled):
        await engine.generate(endless(engine), Heard())
    await engine.lost()
    assert not psutil.pid_exists(engine.pid)
    await engine.close()


async def test_an_engine_whose_batch_makes_no_step_is_killed(
    demo_directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_line, "_PROCESS", "silent_engine")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(engine_line, "PULSE_SECONDS", 0.2)
    engine = await start_engine(demo_directory, Placement(), stall_seconds=0.4)
    with pytest.raises(GenerationStalled):
        await engine.generate(endless(engine), Heard())
    await engine.lost()
    await engine.close()


async def test_an_engine_that_answers_is_left_alone(
    demo_directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_line, "PULSE_SECONDS", 0.2)
    monkeypatch.setattr(engine_line, "UNANSWERED", 10)
    engine, pulses = await start_engine(demo_directory, Placement(), stall_seconds=1.0), 0
    said = engine._line.say

    def counted(frame: Frame) -> None:
        nonlocal pulses
        pulses += isinstance(frame, Ping)
        said(frame)

    monkeypatch.setattr(engine._line, "say", counted)
    async with asyncio.timeout(30):
        # More pulses than either kind of silence may have, some with a batch and some without.
        while pulses <= 12:
            await engine.generate(endless(engine), Heard(enough=5))
            await asyncio.sleep(0.1)
    assert not engine._line.over.is_set()
    await engine.close()


async def test_signals_that_are_meant_for_the_worker_do_not_end_it(engine: ChildEngine) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(engine.pid, number)
    heard = Heard()
    await engine.generate(replace(endless(engine), decoding=Decoding(), limits=(3,)), heard)
    assert heard.ids


async def test_rows_end_when_the_listener_says_so(engine: ChildEngine) -> None:
    heard = Heard(enough=5)
    await engine.generate(endless(engine), heard)
    assert 5 <= len(heard.ids) < 1500


async def test_a_listener_that_fails_ends_its_batch_alone(engine: ChildEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        await engine.generate(endless(engine), Heard(failure=ZeroDivisionError()))
    heard = Heard(enough=5)
    await engine.generate(endless(engine), heard)
    assert len(heard.ids) >= 5


async def test_a_batch_that_the_engine_refuses_fails_alone(engine: ChildEngine) -> None:
    good = endless(engine)
    with pytest.raises(ModelUnavailable):
        await engine.generate(replace(good, prompts=((10**6,),)), Heard())
    await engine.generate(good, Heard(enough=1))


async def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(demo_directory: ModelDirectory) -> None:
    with pytest.raises(ModelDirectoryError, match="unknown-type"):
        await start_engine(demo_directory, Placement(compute_type="unknown-type"))


async def test_closing_ends_the_process(demo_directory: ModelDirectory) -> None:
    engine = await start_engine(demo_directory, Placement())
    await engine.close()
    assert not psutil.pid_exists(engine.pid)


async def test_a_start_that_is_cancelled_leaves_no_process(demo_directory: ModelDirectory) -> None:
    before = {child.pid for child in psutil.Process().children()}
    starting = asyncio.create_task(start_engine(demo_directory, Placement()))
    async with asyncio.timeout(20):
        while {child.pid for child in psutil.Process().children()} == before:
            await asyncio.sleep(0.001)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert {child.pid for child in psutil.Process().children()} <= before


_ORPHAN = """
import asyncio, os, sys
from pathlib import Path
from olo_llm_worker.adapters.child_engine import Placement, start_engine
from olo_llm_worker.model_directory import load

async def main():
    engine = await start_engine(load(Path(sys.argv[1])), Placement())
    print(engine.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_an_engine_dies_with_its_worker(demo_directory: ModelDirectory, tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _ORPHAN, str(demo_directory.path)], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    engine = psutil.Process(int(worker.stdout.readline()))
    worker.kill()
    worker.wait()
    worker.stdout.close()
    # Whoever adopts it may not have collected it yet.
    assert not psutil.wait_procs([engine], timeout=10)[1] or engine.status() == psutil.STATUS_ZOMBIE


def test_a_token_keeps_the_keys_and_values_of_all_layers(demo_directory: ModelDirectory) -> None:
    model = read_model_bin(demo_directory.file("model.bin"))
    layers, heads, head_dim = 6, 4, 64
    values = cache_values_per_token(model)
    assert values == layers * 2 * heads * head_dim
    fitting = {
        kind: tokens_that_fit(10**9, values_per_token=values, compute_type=kind, replicas=2)
        for kind in ("float32", "int8_float32", "float16", "int8_bfloat16", "int16")
    }
    assert fitting["float32"] == fitting["int8_float32"] == fitting["int16"] == 4 * 10**8 // (2 * values * 4)
    assert fitting["float16"] == fitting["int8_bfloat16"] == 4 * 10**8 // (2 * values * 2)
    assert tokens_that_fit(0, values_per_token=values, compute_type="float32", replicas=1) == 0
