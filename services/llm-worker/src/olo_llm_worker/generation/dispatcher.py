"""Which rows go to the engine, together and when.

One task decides. When a replica of the engine is idle it takes the row that waits longest and others that go with it
(see `batching`), as soon as the batch is full or the window is over in which more may come. Up to `max_concurrency`
rows are in the engine, the rest wait in the order of their arrival. A row's place is free again when the engine has
really let go of it, not when its caller has gone.

A party may have the engine for itself: those inside make place with their next token, where their options allow that
they are read again, and nobody else goes in. They wait, and go on where they were.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from olo_llm_worker.errors import ModelUnavailable
from olo_llm_worker.generation.batching import choose
from olo_llm_worker.generation.engine import Batch, Engine, Token, Top
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.run import Run

VACATING_SECONDS: Final = 20.0
"""How long the engine may take to become empty: rows that cannot be read again stay until they have ended."""


class Dispatcher:
    """The queue in front of an engine, and its one owner; see the module. Lives on one event loop.

    Args:
        engine: What generates.
        policy: How it is shared.
        clock: Monotonic seconds.
    """

    def __init__(self, engine: Engine, policy: Policy, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock
        self._limits = replace(policy.limits, tokens=policy.limits.tokens or engine.info.batch_tokens)
        self._idle = policy.replicas
        self._queue: list[Row] = []
        self._inside = 0
        self._wake = asyncio.Event()
        self._works: set[asyncio.Task[None]] = set()
        self._owner: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._party: object | None = None
        """The one party that may go in; None: all may."""

    @property
    def inside(self) -> int:
        """Rows that are in the engine now."""
        return self._inside

    def add(self, row: Row) -> None:
        """Has a row wait for its turn, for the first time or again."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name="dispatcher")
        row.arrived, row.waiting = self._clock(), True
        self._queue.append(row)
        self._wake.set()

    def withdraw(self, row: Row) -> None:
        """Nobody wants the row any more, wherever it is."""
        row.abandon()
        if row in self._queue:
            self._queue.remove(row)

    async def isolate(self, party: object) -> None:
        """From now on no row is in the engine but those of this party, until `let_in` or `leave`.

        Raises:
            ModelUnavailable: Others have not left it in time.
        """
        await self._turn.acquire()
        self._party = party
        try:
            await self._emptied()
        except BaseException:
            self.let_in(party)
            raise

    def let_in(self, party: object) -> None:
        """Others may go in beside this party, if it is isolated."""
        if self._party is party:
            self._turn.release()
            self._open_to_all()

    def leave(self, party: object) -> None:
        """Others may go in once the engine has let go of this party, if it is isolated; a hanging one, later."""
        if self._party is not party:
            return
        self._turn.release()
        if self._works:
            self._party = gone = object()
            asyncio.get_running_loop().call_later(VACATING_SECONDS, self._open_after, gone)
        else:
            self._open_to_all()

    async def on_all_replicas(self, batch: Batch) -> None:
        """Has every replica generate this, beside what else there is to do.

        Raises:
            OloError: The engine fails.
        """
        await asyncio.gather(*(self._engine.generate(batch, _Deaf()) for _ in range(self._policy.replicas)))

    async def close(self) -> None:
        """Waits until the engine is at rest; all rows have been withdrawn."""
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait({self._owner})
        if self._works:
            await asyncio.wait(self._works)

    async def _own(self) -> None:
        while True:
            self._wake.clear()
            left = self._dispatch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()

    def _dispatch(self) -> float | None:
        """Starts all batches that can start; returns the seconds until the window of the next one is over."""
        policy = self._policy
        while self._idle and (queue := self._waiting()) and self._inside < policy.max_concurrency:
            room = min(self._limits.rows, policy.max_concurrency - self._inside)
            # Idle replicas share what waits: two batches of half the size end before one.
            share = -(-len(queue) // self._idle)
            rows = choose(queue, replace(self._limits, rows=min(room, share)))
            now = self._clock()
            # Where a row has its batch for itself there is nobody to wait for.
            window = 0.0 if rows[0].decoding.solitary else policy.window
            left = queue[0].arrived + window - now
            if left > 0 and len(queue) < min(room * self._idle, policy.max_concurrency - self._inside):
                return left
            self._start(rows, now)
        return None

    def _waiting(self) -> Sequence[Row]:
        """The rows that may go in, in the order of their arrival."""
        if self._party is None:
            return self._queue
        return [row for row in self._queue if row.party is self._party]

    def _open_after(self, party: object) -> None:
        if self._party is party:
            self._open_to_all()

    def _open_to_all(self) -> None:
        self._party = None
        self._wake.set()

    async def _emptied(self) -> None:
        try:
            async with asyncio.timeout(VACATING_SECONDS):
                while self._works:
                    await asyncio.wait(self._works)
        except TimeoutError:
            raise ModelUnavailable("others have not left the engine in time", retry_after=1.0) from None

    def _start(self, rows: Sequence[Row], now: float) -> None:
        run = Run(
            rows,
            quantum=self._policy.slice_tokens,
            contended=lambda: bool(self._waiting()),
            asked_to_go=lambda row: self._party not in (None, row.party),
            left=self._left,
            clock=self._clock,
        )
        for row in rows:
            self._queue.remove(row)
            row.waiting = False
            row.began = now if row.began is None else row.began
        self._inside += len(rows)
        self._idle -= 1
        work = asyncio.create_task(run.work(self._engine), name="batch")
        self._works.add(work)
        work.add_done_callback(self._finished)

    def _finished(self, work: asyncio.Task[None]) -> None:
        self._works.discard(work)
        self._idle += 1
        if not self._works and not self._turn.locked():
            self._party = None
        self._wake.set()

    def _left(self, row: Row) -> None:
        """A row is out of the engine: its place is free, and where its time slice was over it waits again."""
        self._inside -= 1
        if not row.ended:
            self.add(row)
        self._wake.set()


class _Deaf:
    """Hears of a batch that nobody waits for."""

    def began(self, *, cached: bool) -> None:
        """Does nothing."""

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> set[int]:
        """One token is enough."""
        return {row for row, _, _ in tokens}
