"""Answers in the form that was asked for: as the model gives them, or read, checked and repaired once.

An answer that must be JSON, or may call tools, is held back until it is known to be right, so that nothing has to be
taken back from a stream. Where it is wrong the model is told why, in one more turn.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from olo_llm_worker.errors import DeadlineExceeded, OutputInvalid
from olo_llm_worker.generation.formats import instructions, tool_calls
from olo_llm_worker.generation.formats.json_text import find
from olo_llm_worker.generation.formats.request import Form, form_of
from olo_llm_worker.generation.generation import Generation, Witness, nobody
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Choice, Chunk, Company, Finish, Job, Message, Result, ToolCall


class Answer(Protocol):
    """An answer that comes into being."""

    @property
    def job(self) -> Job:
        """What was asked for."""

    @property
    def token_ids(self) -> list[int]:
        """What a later attempt can resume from."""

    @property
    def progress(self) -> int:
        """Tokens generated so far."""

    @property
    def waiting(self) -> bool:
        """Whether it waits for the engine."""

    @property
    def company(self) -> Company:
        """Who is with it in the engine."""

    async def result(self) -> Result:
        """Waits for the outcome."""

    def chunks(self) -> AsyncIterator[Chunk]:
        """The answer in pieces."""


@asynccontextmanager
async def answering(scheduler: Scheduler, job: Job, witness: Witness = nobody) -> AsyncIterator[Answer]:
    """Admits a job and runs it beside the body; leaving the body ends it.

    Args:
        scheduler: What runs it.
        job: What is asked for.
        witness: See `Scheduler.generation`.

    Raises:
        OloError: It is refused at once: a field is wrong, or the queue is full.
    """
    form = form_of(job, scheduler.info)
    if form is None:
        async with scheduler.generation(job, witness) as generation:
            yield generation
        return
    async with scheduler.generation(form.job, witness) as generation:
        formed = _Formed(scheduler, generation, form)
        try:
            yield formed
        finally:
            await formed.close()


async def prompt_tokens(scheduler: Scheduler, job: Job) -> list[int]:
    """The token ids of the prompt of a job as the engine would read it.

    Raises:
        OloError: A field is wrong.
    """
    form = form_of(job, scheduler.info)
    asked = job if form is None else form.job
    return await scheduler.tokenize(asked.messages, asked.tools)


class _Formed:
    """An answer that is read and checked before it is given."""

    def __init__(self, scheduler: Scheduler, generation: Generation, form: Form) -> None:
        self.job = form.job
        self._scheduler = scheduler
        self._first = self._current = generation
        self._form = form
        self._before = 0
        self._began = time.monotonic()
        self._task = asyncio.create_task(self._run(), name="answer")
        self._task.add_done_callback(_seen)

    @property
    def token_ids(self) -> list[int]:
        """Those of the first turn: a later attempt comes to the second by itself."""
        return self._first.token_ids

    @property
    def progress(self) -> int:
        """Tokens of all turns."""
        return self._before + self._current.progress

    @property
    def waiting(self) -> bool:
        """Whether the present turn waits."""
        return self._current.waiting

    @property
    def company(self) -> Company:
        """Who is with the present turn in the engine."""
        return self._current.company

    async def result(self) -> Result:
        """Waits for the outcome."""
        return await asyncio.shield(self._task)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Everything at the end, a chunk for each choice."""
        result = await self.result()
        for number, choice in enumerate(result.choices):
            last = result if number == len(result.choices) - 1 else None
            yield Chunk(number, 0, choice.text, number, choice.logprobs, choice, last)

    async def close(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> Result:
        result = await self._first.result()
        choices = []
        for choice in result.choices:
            read, problem = self._read(choice)
            if problem:
                if choice.finish is Finish.LENGTH:
                    raise OutputInvalid("it was cut off at the limit of its length")
                result, read = await self._repaired(result, choice, problem)
            choices.append(read)
        return replace(result, choices=tuple(choices))

    async def _repaired(self, result: Result, choice: Choice, problem: str) -> tuple[Result, Choice]:
        correction = f"This answer is not valid: {problem}. Give the corrected answer, and nothing else."
        turns = (*self.job.messages, Message("assistant", choice.text), Message("user", correction))
        timeout = self.job.timeout
        if timeout is not None:
            timeout -= time.monotonic() - self._began
            if timeout <= 0:
                raise DeadlineExceeded
        job = replace(self.job, messages=turns, prefix_token_ids=(), n=1, timeout=timeout)
        async with self._scheduler.generation(job, self._first.witness) as again:
            self._before, self._current = self.progress, again
            second = await again.result()
        read, problem = self._read(second.choices[0])
        if problem:
            raise OutputInvalid(problem)
        both = replace(
            result,
            prompt_tokens=result.prompt_tokens + second.prompt_tokens,
            completion_tokens=result.completion_tokens + second.completion_tokens,
            cached_tokens=result.cached_tokens + second.cached_tokens,
            timings=replace(result.timings, total=result.timings.total + second.timings.total),
        )
        return both, read

    def _read(self, choice: Choice) -> tuple[Choice, str]:
        """The choice in its form, and what is wrong with it; empty: nothing."""
        form = self._form
        text, calls = tool_calls.read(choice.text, form.tool_format, form.tools) if form.tools else (choice.text, [])
        if calls:
            calls = calls[:1] if form.job.tool_choice.single else calls
            made = tuple(ToolCall(f"call_{uuid.uuid4().hex[:24]}", name, arguments) for name, arguments in calls)
            return replace(choice, text=text, finish=Finish.TOOL_CALLS, tool_calls=made), ""
        if form.must_call:
            return choice, f"a tool must be called; {instructions.of_choice(form.job.tool_choice)}"
        if not form.json:
            return choice, ""
        try:
            text, value = find(choice.text)
        except ValueError as error:
            return choice, str(error)
        if form.schema is not None:
            return replace(choice, text=text), form.schema.problem(value)
        return replace(choice, text=text), "" if isinstance(value, dict) else "it is not a JSON object"


def _seen(task: asyncio.Task[Result]) -> None:
    if not task.cancelled():
        task.exception()
