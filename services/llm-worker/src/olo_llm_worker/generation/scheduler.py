"""The one owner of an engine: who is in it together, who waits, who is refused.

One task decides. When a replica of the engine is idle it takes the row that waits longest and others that go with it
(see `batching`), as soon as the batch is full or the window is over in which more may come. Up to `max_concurrency`
rows are in the engine, up to `max_queue` more wait, in the order of their arrival. Deadlines and cancellation hold
while waiting and at each step. A row's place is free again when the engine has really let go of it, not when its caller
has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from olo_llm_worker.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EmptyOutput,
    GenerationAborted,
    QueueFull,
    WorkerStopping,
)
from olo_llm_worker.generation.batching import Limits, choose
from olo_llm_worker.generation.engine import Engine, EngineInfo
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.options import resolve, validate
from olo_llm_worker.generation.reading import Reader
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.run import Run
from olo_llm_worker.generation.types import Job, Message, Result, Timings, Tool


@dataclass(frozen=True, slots=True)
class Policy:
    """How the engine is shared.

    Args:
        max_concurrency: Rows that are in the engine at the same time.
        max_queue: Rows that may wait beyond these.
        replicas: Batches that the engine computes at the same time.
        window: Seconds that the first row of a batch waits for others.
        limits: What a batch may be.
        slice_tokens: Tokens after which a row makes place where others wait; 0: never.
        max_prefixes: Beginnings of prompts that the engine may keep computed.
        max_tokens_default: Length of an answer where nobody says one.
    """

    max_concurrency: int
    max_queue: int
    replicas: int = 1
    window: float = 0.005
    limits: Limits = field(default_factory=lambda: Limits(rows=16))
    slice_tokens: int = 0
    max_prefixes: int = 16
    max_tokens_default: int = 256


class Scheduler:
    """Runs generations; see the module. Lives on one event loop.

    Args:
        engine: What generates.
        policy: How it is shared.
        clock: Monotonic seconds.
    """

    def __init__(self, engine: Engine, policy: Policy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock
        self._reader = Reader(engine, policy.max_prefixes)
        self._threads = ThreadPoolExecutor(policy.replicas, thread_name_prefix="generation")
        self._idle = policy.replicas
        self._queue: list[Row] = []
        self._open: set[Generation] = set()
        self._inside = 0
        self._usual_seconds = 1.0
        self._closed = False
        self._wake = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._owner: asyncio.Task[None] | None = None

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._engine.info

    @property
    def running(self) -> int:
        """Rows that are in the engine now."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return sum(_waiting_rows(generation) for generation in self._open)

    async def count_tokens(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
        """Tokens of the rendered prompt.

        Raises:
            OloError: The messages are not acceptable.
        """
        validate(Job("", tuple(messages), tools=tuple(tools)), self.info, self._policy.max_concurrency)
        return len(await asyncio.to_thread(self._engine.tokenize, messages, tools))

    @asynccontextmanager
    async def generation(self, job: Job) -> AsyncIterator[Generation]:
        """Admits a job and runs it beside the body; leaving the body ends it.

        Raises:
            OloError: It is refused at once: a field is wrong, or the queue is full.
        """
        policy = self._policy
        validate(job, self.info, policy.max_concurrency)
        if self._closed:
            raise WorkerStopping
        waiting = self.waiting
        if self._inside + waiting + job.n > policy.max_concurrency + policy.max_queue:
            turns = (waiting + 1) / policy.max_concurrency
            raise QueueFull(waiting, retry_after=max(0.1, round(self._usual_seconds * turns, 1)))
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name="scheduler")
        generation = Generation(job)
        generation.follow(asyncio.create_task(self._guarded(generation), name="generation"))
        self._open.add(generation)
        self._at_rest.clear()
        try:
            yield generation
        finally:
            self._open.discard(generation)
            await generation.close()
            if not self._open:
                self._at_rest.set()

    def abort(self, request_id: str) -> bool:
        """Ends what runs or waits under this id; False where nothing does."""
        found = [generation for generation in self._open if generation.job.request_id == request_id]
        for generation in found:
            generation.abort()
        return bool(found)

    async def warm(self, system_prompts: Sequence[str]) -> None:
        """Has every replica read each system prompt, which is kept from then on where there is room, and answer once.

        Raises:
            OloError: The model does not accept such a prompt, or fails.
        """
        batches = await asyncio.to_thread(self._reader.warming, system_prompts)
        loop = asyncio.get_running_loop()
        for batch in batches:
            works = [
                loop.run_in_executor(self._threads, self._engine.generate, batch, _Deaf())
                for _ in range(self._policy.replicas)
            ]
            await asyncio.gather(*works)

    async def rest(self) -> None:
        """Waits until all that was taken has ended, and its callers have gone."""
        await self._at_rest.wait()

    async def close(self) -> None:
        """Takes nothing new, ends what runs, and waits until the engine is at rest."""
        self._closed = True
        for generation in list(self._open):
            await generation.close()
        await asyncio.to_thread(self._threads.shutdown)
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait({self._owner})

    async def _guarded(self, generation: Generation) -> Result:
        """The run within its deadline; cancellation becomes the error that the owner of the generation should see."""
        try:
            async with asyncio.timeout(generation.job.timeout):
                return await self._run(generation)
        except TimeoutError:
            raise DeadlineExceeded from None
        except asyncio.CancelledError:
            if generation.aborted:
                raise GenerationAborted from None
            if self._closed:
                raise WorkerStopping from None
            raise
        finally:
            for row in generation.rows:
                row.abandon()
                if row in self._queue:
                    self._queue.remove(row)

    async def _run(self, generation: Generation) -> Result:
        job, arrived, limit = generation.job, self._clock(), self.info.context_limit
        prompt, static = await asyncio.to_thread(self._reader.read, job)
        if len(prompt) >= limit:
            raise ContextTooLong(len(prompt), limit)
        decoding, max_tokens = resolve(
            job.sampling,
            self.info.defaults,
            room=limit - len(prompt),
            max_tokens_default=self._policy.max_tokens_default,
            form=job.response_format,
        )
        if decoding.schema:
            await asyncio.to_thread(self._engine.check_schema, decoding.schema, job.prefix_token_ids[:max_tokens])
        for _ in range(job.n):
            row = Row(
                prompt,
                static,
                decoding,
                max_tokens=max_tokens,
                stops=job.sampling.stop,
                detokenize=self._engine.detokenize,
                changed=generation.changed,
            )
            generation.rows.append(row)
            row.accept(job.prefix_token_ids[:max_tokens], (), arrived)
            row.first_token = None
            if not row.outcome.done():
                self._enqueue(row)
        await asyncio.gather(*(row.outcome for row in generation.rows))
        result = _result(generation.rows, len(prompt), arrived, self._clock())
        self._usual_seconds += 0.2 * (result.timings.total - self._usual_seconds)
        return result

    def _enqueue(self, row: Row) -> None:
        row.arrived, row.waiting = self._clock(), True
        self._queue.append(row)
        self._wake.set()

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
        while self._idle and self._queue and self._inside < policy.max_concurrency:
            room = min(policy.limits.rows, policy.max_concurrency - self._inside)
            # Idle replicas share what waits: two batches of half the size end before one.
            share = -(-len(self._queue) // self._idle)
            rows = choose(self._queue, replace(policy.limits, rows=min(room, share)))
            now = self._clock()
            # A row with a schema has its batch for itself: there is nobody to wait for.
            window = 0.0 if rows[0].decoding.schema else policy.window
            left = self._queue[0].arrived + window - now
            if left > 0 and len(self._queue) < min(room * self._idle, policy.max_concurrency - self._inside):
                return left
            self._start(rows, now)
        return None

    def _start(self, rows: Sequence[Row], now: float) -> None:
        run = Run(
            self._engine,
            rows,
            quantum=self._policy.slice_tokens,
            contended=lambda: bool(self._queue),
            left=self._left,
            clock=self._clock,
        )
        for row in rows:
            self._queue.remove(row)
            row.waiting = False
            row.began = now if row.began is None else row.began
        self._inside += len(rows)
        self._idle -= 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, run.work)
        work.add_done_callback(lambda done: self._finished(run, done))

    def _finished(self, run: Run, work: asyncio.Future[None]) -> None:
        # The engine's error is seen here even where all callers have gone.
        run.finish(work.exception())
        self._idle += 1
        self._wake.set()

    def _left(self, row: Row) -> None:
        """A row is out of the engine: its place is free, and where its time slice was over it waits again."""
        self._inside -= 1
        if not row.ended:
            self._enqueue(row)
        self._wake.set()


class _Deaf:
    """Hears of a batch that nobody waits for."""

    def began(self, *, cached: bool) -> None:
        """Does nothing."""

    def token(self, row: int, token_id: int, logprob: float) -> bool:
        """One token is enough."""
        return True


def _waiting_rows(generation: Generation) -> int:
    if not generation.waiting:
        return 0
    return sum(row.waiting for row in generation.rows) if generation.rows else generation.job.n


def _result(rows: Sequence[Row], prompt_tokens: int, arrived: float, now: float) -> Result:
    choices = tuple(row.choice() for row in rows)
    if not any(row.text or row.stopped for row in rows):
        raise EmptyOutput
    began = min((row.began for row in rows if row.began is not None), default=now)
    first = min((row.first_token for row in rows if row.first_token is not None), default=now)
    return Result(
        choices,
        prompt_tokens,
        completion_tokens=sum(len(row.token_ids) for row in rows),
        cached_tokens=max(row.cached_tokens for row in rows),
        timings=Timings(began - arrived, max(0.0, first - began), now - began),
    )
