"""One generation, as its owner on the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from olo_llm_worker.generation.types import Chunk, Job, Result

COALESCE_SECONDS: Final = 0.025
"""At most one chunk is given in this time, after the first."""


class Generation:
    """Progress and outcome of one job. The scheduler drives it; `chunks` has one reader.

    Text that nobody has read yet waits here: it is never more than the answer, and never holds up the engine.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.token_ids: list[int] = []
        self.dispatched = False
        self.aborted = False
        self.stopping = False
        """Read by the engine's thread: True ends the generation at its next step."""
        self._texts: list[str] = []
        self._read = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[Result] | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._texts)

    @property
    def waiting(self) -> bool:
        """Whether it is still to be dispatched."""
        return not self.dispatched and not (self._task is not None and self._task.done())

    def follow(self, task: asyncio.Task[Result]) -> None:
        """Takes the outcome from this task."""
        self._task = task
        task.add_done_callback(self._ended)

    def accept(self, token_ids: list[int], text: str) -> None:
        """Takes progress of the engine."""
        self.token_ids += token_ids
        if text:
            self._texts.append(text)
            self._news.set()

    def abort(self) -> None:
        """Ends it with `GenerationAborted`."""
        self.aborted = True
        self._cancel()

    async def close(self) -> None:
        """Ends it if it still runs; nobody waits for its outcome."""
        self._cancel()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def result(self) -> Result:
        """Waits for the outcome. Being cancelled here does not cancel the generation; `close` does.

        Raises:
            OloError: It has failed.
        """
        assert self._task is not None, "a generation is followed before it is handed out"
        return await asyncio.shield(self._task)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The answer in pieces: the first as soon as it is there, the last with the result.

        Raises:
            OloError: It has failed; what was given before stays valid.
        """
        assert self._task is not None, "a generation is followed before it is handed out"
        seq = offset = 0
        while True:
            await self._news.wait()
            if self._task.done():
                break
            text = self._unread()
            yield Chunk(seq, offset, text)
            seq += 1
            offset += len(text.encode())
            await asyncio.wait({self._task}, timeout=COALESCE_SECONDS)
        result = await self.result()
        yield Chunk(seq, offset, self._unread(), result)

    def _unread(self) -> str:
        self._news.clear()
        unread = self._texts[self._read :]
        self._read = len(self._texts)
        return "".join(unread)

    def _cancel(self) -> None:
        self.stopping = True
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self.stopping = True
        self._news.set()
        if not task.cancelled():
            # Marks the error as seen: whoever is still interested asks for the result.
            task.exception()
