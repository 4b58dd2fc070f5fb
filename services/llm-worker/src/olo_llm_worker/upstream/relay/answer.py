"""One answer, as those who wait for it see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from olo_common.errors import OloError
from olo_llm_worker.upstream.relay.types import Chunk, Delta, Logprob, Result, TextRequest

COALESCE_SECONDS: Final = 0.025
"""At most one chunk is given in this time, after the first."""


class Answer:
    """Progress and outcome of one request. The desk drives it; `chunks` has one reader."""

    def __init__(self, request: TextRequest) -> None:
        self.request = request
        self.dispatched = False
        self.deltas: list[Delta] = []
        self._read = 0
        self._ending: OloError | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[Result] | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(delta.text for delta in self.deltas)

    @property
    def waiting(self) -> bool:
        """Whether it has still to be sent to the upstream."""
        return not self.dispatched and not (self._task is not None and self._task.done())

    def follow(self, task: asyncio.Task[Result]) -> None:
        """Takes the outcome from this task."""
        self._task = task
        task.add_done_callback(self._ended)

    def accept(self, delta: Delta) -> None:
        """Takes the next piece of text."""
        self.deltas.append(delta)
        self._news.set()

    def end(self, error: OloError) -> None:
        """Ends it, if it still runs, with this error for those who wait."""
        self._ending = self._ending or error
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Ends it, if it still runs, and waits until the request at the upstream is closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def result(self) -> Result:
        """Waits for the outcome. Being cancelled here does not end the answer; `close` does.

        Raises:
            OloError: It has failed.
        """
        assert self._task is not None, "an answer is followed before it is handed out"
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            # A task that is cancelled before its first step cannot say so itself.
            if self._task.cancelled() and self._ending is not None:
                raise self._ending from None
            raise

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The answer in chunks: the first as soon as it is there, the last with the result.

        Raises:
            OloError: It has failed; what was given before stays valid.
        """
        assert self._task is not None, "an answer is followed before it is handed out"
        seq = offset = 0
        while True:
            await self._news.wait()
            if self._task.done():
                break
            text, logprobs = self._unread()
            yield Chunk(seq, offset, text, logprobs)
            seq += 1
            offset += len(text.encode())
            await asyncio.wait({self._task}, timeout=COALESCE_SECONDS)
        result = await self.result()
        yield Chunk(seq, offset, *self._unread(), result)

    def _unread(self) -> tuple[str, tuple[Logprob, ...]]:
        self._news.clear()
        unread = self.deltas[self._read :]
        self._read = len(self.deltas)
        return "".join(delta.text for delta in unread), tuple(one for delta in unread for one in delta.logprobs)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._news.set()
        if not task.cancelled():
            # Marks the error as seen: whoever is still interested asks for the result.
            task.exception()
