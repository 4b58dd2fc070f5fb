"""One owner task gathers the texts of concurrent requests into batches and gives each request its own rows back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.errors import QueueFull, Stopping
from olo_embed_worker.types import InputKind, Rows

Embed = Callable[[Sequence[str], InputKind], Rows]
Measure = Callable[[Sequence[str]], list[int]]

_SHORTEST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 5.0


@dataclass(frozen=True)
class Embedded:
    """The answer to one request."""

    rows: Rows
    tokens: list[int]
    """Tokens of each text, uncut."""


class _Ticket:
    """A request that waits, and what it has got so far."""

    def __init__(self, texts: Sequence[str], kind: InputKind) -> None:
        self.texts = texts
        self.kind = kind
        self.arrived = time.monotonic()
        self.future: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self.tokens = [0] * len(texts)
        self._rows: Rows | None = None
        self._missing = len(texts)

    def give(self, index: int, row: Rows, tokens: int) -> None:
        """Hands over the row of one text; the last one answers the request."""
        if self._rows is None:
            self._rows = np.empty((len(self.texts), row.shape[0]), np.float32)
        self._rows[index] = row
        self.tokens[index] = tokens
        self._missing -= 1
        if not self._missing and not self.future.done():
            self.future.set_result(Embedded(self._rows, self.tokens))

    def fail(self, error: BaseException) -> None:
        """Ends the request with an error, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True)
class _Entry:
    """One text of a request."""

    ticket: _Ticket
    index: int

    @property
    def text(self) -> str:
        return self.ticket.texts[self.index]


class MicroBatcher:
    """Batches texts for one engine; `run` is its owner task.

    Args:
        embed: Computes the vectors of a batch; blocks.
        measure: Counts tokens; blocks.
        lane: The thread that computes.
        sided: Whether queries and passages need runs of their own.
        max_batch: Texts of one batch.
        max_queue: Texts that may wait; at least what one request may hold.
        window_seconds: How long the first text of a batch waits for company.
    """

    def __init__(
        self,
        embed: Embed,
        measure: Measure,
        *,
        lane: Lane,
        sided: bool,
        max_batch: int,
        max_queue: int,
        window_seconds: float,
    ) -> None:
        self._embed = embed
        self._measure = measure
        self._lane = lane
        self._sided = sided
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._window_seconds = window_seconds
        self._waiting: deque[_Entry] = deque()
        self._running: list[_Entry] = []
        self._changed = asyncio.Event()
        self._requests = 0
        self._seconds_per_text = 0.01
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """Requests that wait or run."""
        return self._requests

    async def embed(self, texts: Sequence[str], kind: InputKind) -> Embedded:
        """The vectors of the texts, in their order. Cancelling gives up what has not begun.

        Raises:
            QueueFull: Too many texts are waiting; `retry_after` is when these should be done.
            Stopping: The batcher has ended.
            OloError: What the engine raised.
        """
        if self._stopped:
            raise Stopping("this instance is stopping", retry_after=1.0)
        if len(self._waiting) + len(texts) > self._max_queue:
            self._drop_ended()
        if len(self._waiting) + len(texts) > self._max_queue:
            wait = len(self._waiting) * self._seconds_per_text
            raise QueueFull(
                "too many texts are waiting to be embedded",
                retry_after=min(max(wait, _SHORTEST_RETRY), _LONGEST_RETRY),
            )
        ticket = _Ticket(texts, kind if self._sided else InputKind.PASSAGE)
        self._waiting.extend(_Entry(ticket, index) for index in range(len(texts)))
        self._changed.set()
        self._requests += 1
        try:
            return await ticket.future
        finally:
            self._requests -= 1

    async def run(self) -> None:
        """Makes batches for ever. When it ends, whoever still waits is told so."""
        try:
            while True:
                await self._gather()
                self._running = self._cut()
                if self._running:
                    await self._compute(self._running)
                self._running = []
        finally:
            self._stopped = True
            for entry in (*self._running, *self._waiting):
                entry.ticket.fail(Stopping("this instance is stopping", retry_after=1.0))
            self._waiting.clear()

    async def _gather(self) -> None:
        """Waits for a text, then until the batch is full or its first text has waited for the whole window."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        deadline = self._waiting[0].ticket.arrived + self._window_seconds
        while 0 < len(self._waiting) < self._max_batch and (left := deadline - time.monotonic()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _cut(self) -> list[_Entry]:
        self._drop_ended()
        return [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]

    def _drop_ended(self) -> None:
        self._waiting = deque(entry for entry in self._waiting if not entry.ticket.future.done())

    async def _compute(self, batch: list[_Entry]) -> None:
        began = time.monotonic()
        try:
            for entry, row, tokens in await self._lane.run(len(batch), lambda: self._rows_of(batch)):
                entry.ticket.give(entry.index, row, tokens)
        except Exception as error:
            for entry in batch:
                entry.ticket.fail(error)
        else:
            spent = (time.monotonic() - began) / len(batch)
            self._seconds_per_text += 0.2 * (spent - self._seconds_per_text)

    def _rows_of(self, batch: list[_Entry]) -> list[tuple[_Entry, Rows, int]]:
        """Runs in a thread. Texts of like length stand together, so that the engine pads little."""
        lengths = self._measure([entry.text for entry in batch])
        ordered = sorted(zip(batch, lengths, strict=True), key=lambda pair: (pair[0].ticket.kind, pair[1]))
        done: list[tuple[_Entry, Rows, int]] = []
        for kind, group in groupby(ordered, key=lambda pair: pair[0].ticket.kind):
            pairs = list(group)
            rows = self._embed([entry.text for entry, _ in pairs], kind)
            done += [(entry, row, tokens) for (entry, tokens), row in zip(pairs, rows, strict=True)]
        return done
