"""One owner task gathers the texts of concurrent requests into batches and gives each request its own rows back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.batching.runs import Embed, outcomes
from olo_embed_worker.batching.tickets import Embedded, Entry, Ticket
from olo_embed_worker.batching.waiting import Waiting
from olo_embed_worker.errors import QueueFull, Stopping
from olo_embed_worker.types import InputKind, Tokenized

Tokenize = Callable[[Sequence[str]], list[Tokenized]]

_SHORTEST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 5.0
# Shorter ones are tokenized on the event loop, in less time than a thread takes to answer.
_SHORT_CHARACTERS: Final = 2048


class MicroBatcher:
    """Batches texts for one engine; `run` is its owner task.

    Args:
        tokenize: Measures texts; blocks.
        embed: Computes the vectors of texts; blocks.
        tokenizing: The thread that tokenizes long texts.
        computing: The threads that compute, a batch each.
        max_batch: Texts of one batch.
        max_tokens: Tokens of one batch: what a query may have to wait for.
        max_queue: Texts that may wait; at least what one request may hold.
        window_seconds: How long the first text of a batch waits for company.
        batched: Is told the texts of each batch.
    """

    def __init__(
        self,
        tokenize: Tokenize,
        embed: Embed,
        *,
        tokenizing: Lane,
        computing: Lane,
        max_batch: int,
        max_tokens: int,
        max_queue: int,
        window_seconds: float,
        batched: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._tokenize = tokenize
        self._embed = embed
        self._tokenizing = tokenizing
        self._computing = computing
        self._max_batch = max_batch
        self._max_tokens = max_tokens
        self._max_queue = max_queue
        self._window_seconds = window_seconds
        self._batched = batched
        self._waiting = Waiting()
        self._arriving = 0
        self._open: set[Ticket] = set()
        self._changed = asyncio.Event()
        self._requests = 0
        self._running = 0
        self._seconds_per_text = 0.01
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """Requests that wait or run."""
        return self._requests

    @property
    def waiting(self) -> int:
        """Texts that wait for a batch."""
        return self._arriving + len(self._waiting)

    async def embed(self, texts: Sequence[str], kind: InputKind) -> Embedded:
        """The vectors of the texts, in their order. Cancelling gives up what has not begun, and its place.

        Raises:
            QueueFull: Too many texts are waiting; `retry_after` is when these should be done.
            Stopping: The batcher has ended.
            OloError: What the engine raised.
        """
        self._refuse_unless_room(len(texts))
        self._requests += 1
        try:
            ticket = Ticket(await self._tokenized(texts), kind)
            if self._stopped:
                raise _stopping()
            self._open.add(ticket)
            self._waiting.add(ticket)
            self._changed.set()
            try:
                return await ticket.future
            except BaseException:
                self._waiting.discard(ticket)
                raise
            finally:
                self._open.discard(ticket)
        finally:
            self._requests -= 1

    def _refuse_unless_room(self, texts: int) -> None:
        if self._stopped:
            raise _stopping()
        waiting = self.waiting
        if waiting + texts > self._max_queue:
            wait = waiting * self._seconds_per_text
            raise QueueFull(
                "too many texts are waiting to be embedded",
                retry_after=min(max(wait, _SHORTEST_RETRY), _LONGEST_RETRY),
            )

    async def _tokenized(self, texts: Sequence[str]) -> list[Tokenized]:
        if sum(map(len, texts)) <= _SHORT_CHARACTERS:
            return self._tokenize(texts)
        self._arriving += len(texts)
        try:
            return await self._tokenizing.run(len(texts), lambda: self._tokenize(texts))
        finally:
            self._arriving -= len(texts)

    async def run(self) -> None:
        """Makes batches for ever. When it ends, whoever still waits is told so."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._gather()
                    while self._running == self._computing.threads:
                        self._changed.clear()
                        await self._changed.wait()
                    # What waits is shared among the threads that have nothing to do, so that they end together.
                    for idle in range(self._computing.threads - self._running, 0, -1):
                        share = -(-self._waiting.tokens // idle)
                        if batch := self._waiting.take(self._max_batch, min(share, self._max_tokens)):
                            self._running += 1
                            group.create_task(self._compute(batch))
        finally:
            self._stopped = True
            for ticket in self._open:
                ticket.fail(_stopping())

    async def _gather(self) -> None:
        """Waits for a text, then until the batch is full or its first text has waited for the whole window."""
        while len(self._waiting) < self._max_batch:
            left = self._waiting.oldest + self._window_seconds - time.monotonic() if len(self._waiting) else None
            if left is not None and left <= 0:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _compute(self, batch: list[Entry]) -> None:
        began = time.monotonic()
        self._batched(len(batch))
        try:
            done = await self._computing.run(len(batch), lambda: outcomes(self._embed, batch))
        except Exception as error:
            for entry in batch:
                entry.ticket.fail(error)
        else:
            spent = (time.monotonic() - began) / len(batch)
            self._seconds_per_text += 0.2 * (spent - self._seconds_per_text)
            for entry, row in done:
                if isinstance(row, Exception):
                    entry.ticket.fail(row)
                else:
                    entry.ticket.give(entry.index, row)
        finally:
            self._running -= 1
            self._changed.set()


def _stopping() -> Stopping:
    return Stopping("this instance is stopping", retry_after=1.0)
