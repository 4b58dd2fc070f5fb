"""One generation, as its owner on the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.types import Chunk, Company, Job, Result

COALESCE_SECONDS: Final = 0.025
"""At most one chunk is given in this time, after the first."""

Witness: TypeAlias = Callable[[], Awaitable[bool]]
"""Sees to it that the company of a generation is known outside, should this process die; False: nobody can be told."""


async def nobody() -> bool:
    """The witness of who is not asked afterwards."""
    return True


class Generation:
    """Progress and outcome of one job, a row for each answer. The scheduler drives it; `chunks` has one reader.

    Text that nobody has read yet waits here: it is never more than the answer, and never holds up the engine.
    """

    def __init__(self, job: Job, witness: Witness = nobody) -> None:
        self.job = job
        self.witness = witness
        self.rows: list[Row] = []
        self.aborted = False
        self.alone = False
        """Whether it has the engine for itself."""
        self.checking = False
        """Whether the engine looks at its schema."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[Result] | None = None

    @property
    def token_ids(self) -> list[int]:
        """What a later attempt can resume from: the tokens so far, where there is one answer."""
        return self.rows[0].token_ids if len(self.rows) == 1 else []

    @property
    def progress(self) -> int:
        """Tokens of all answers so far."""
        return sum(len(row.token_ids) for row in self.rows)

    @property
    def dispatched(self) -> bool:
        """Whether the engine has begun with it."""
        return any(row.began is not None for row in self.rows)

    @property
    def company(self) -> Company:
        """Who is with it in the engine."""
        if self.alone:
            return Company.ALONE
        return Company.SHARED if self.dispatched or self.checking else Company.OUTSIDE

    @property
    def waiting(self) -> bool:
        """Whether it waits for the engine, for the first time or again."""
        if self._task is not None and self._task.done():
            return False
        return not self.rows or any(row.waiting for row in self.rows)

    @property
    def failure(self) -> BaseException | None:
        """What the engine has failed with, where it has."""
        ended = [row.outcome for row in self.rows if row.outcome.done() and not row.outcome.cancelled()]
        return next((error for outcome in ended if (error := outcome.exception()) is not None), None)

    def follow(self, task: asyncio.Task[Result]) -> None:
        """Takes the outcome from this task."""
        self._task = task
        task.add_done_callback(self._ended)

    def changed(self) -> None:
        """There are more tokens."""
        self._news.set()

    async def spoken(self) -> bool:
        """Waits until each answer has a token of the engine, or has ended; False where all have ended."""
        for row in self.rows:
            await row.spoken.wait()
        return not all(row.ended for row in self.rows)

    def abort(self) -> None:
        """Ends it with `GenerationAborted`."""
        self.aborted = True
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Ends it if it still runs; nobody waits for its outcome."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def result(self) -> Result:
        """Waits for the outcome. Being cancelled here does not cancel the generation; `close` does.

        Raises:
            OloError: It has failed.
        """
        assert self._task is not None, "a generation is followed before it is handed out"
        return await asyncio.shield(self._task)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The answers in pieces: the first as soon as it is there, the last with the result.

        Raises:
            OloError: It has failed; what was given before stays valid.
        """
        assert self._task is not None, "a generation is followed before it is handed out"
        seq, offsets = 0, [0] * self.job.n
        while True:
            await self._news.wait()
            self._news.clear()
            if self._task.done():
                break
            before = seq
            for number, row in enumerate(self.rows):
                text, logprobs = row.unread()
                if text:
                    yield Chunk(seq, offsets[number], text, number, logprobs)
                    seq += 1
                    offsets[number] += len(text.encode())
            if seq > before:
                await asyncio.wait({self._task}, timeout=COALESCE_SECONDS)
        result = await self.result()
        for number, row in enumerate(self.rows):
            text, logprobs = row.unread()
            last = result if number == len(self.rows) - 1 else None
            yield Chunk(seq, offsets[number], text, number, logprobs, row.choice(), last)
            seq += 1

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._news.set()
        if not task.cancelled():
            # Marks the error as seen: whoever is still interested asks for the result.
            task.exception()
