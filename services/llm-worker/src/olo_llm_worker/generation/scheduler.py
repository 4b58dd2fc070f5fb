"""The one owner of an engine: who may run, who waits, who is refused.

Up to `max_concurrency` generations run, each in a thread of its own; up to `max_queue` more wait in the order of their
arrival. Deadlines and cancellation hold while waiting and at each step. A slot is free again when the engine has really
stopped, not when its caller has gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from olo_llm_worker.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EmptyOutput,
    GenerationAborted,
    QueueFull,
    WorkerStopping,
)
from olo_llm_worker.generation.decode import Decode
from olo_llm_worker.generation.engine import Engine, EngineInfo
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.options import resolve, validate
from olo_llm_worker.generation.types import Finish, Job, Message, Result, Timings


class Scheduler:
    """Runs generations; see the module. Lives on one event loop.

    Args:
        engine: What generates.
        max_concurrency: Generations that run at the same time.
        max_queue: Generations that may wait beyond these.
        max_tokens_default: Length of an answer where nobody says one.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_concurrency: int,
        max_queue: int,
        max_tokens_default: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._max_tokens_default = max_tokens_default
        self._clock = clock
        self._slots = asyncio.Semaphore(max_concurrency)
        self._threads = ThreadPoolExecutor(max_concurrency, thread_name_prefix="generation")
        self._open: set[Generation] = set()
        self._running = 0
        self._usual_seconds = 1.0
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._engine.info

    @property
    def running(self) -> int:
        """Generations that the engine works on now."""
        return self._running

    @property
    def waiting(self) -> int:
        """Generations that wait for a slot."""
        return sum(generation.waiting for generation in self._open)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt.

        Raises:
            OloError: The messages are missing or wrong.
        """
        validate(Job("", tuple(messages)), self.info)
        return len(await asyncio.to_thread(self._engine.tokenize, messages))

    @asynccontextmanager
    async def generation(self, job: Job) -> AsyncIterator[Generation]:
        """Admits a job and runs it beside the body; leaving the body ends it.

        Raises:
            OloError: It is refused at once: a field is wrong, or the queue is full.
        """
        validate(job, self.info)
        if self._closed:
            raise WorkerStopping
        if self._running + self.waiting >= self._max_concurrency + self._max_queue:
            turns = (self.waiting + 1) / self._max_concurrency
            raise QueueFull(self.waiting, retry_after=max(0.1, round(self._usual_seconds * turns, 1)))
        generation = Generation(job)
        generation.follow(asyncio.create_task(self._guarded(generation), name="generation"))
        self._open.add(generation)
        try:
            yield generation
        finally:
            self._open.discard(generation)
            await generation.close()

    def abort(self, request_id: str) -> bool:
        """Ends what runs or waits under this id; False where nothing does."""
        found = [generation for generation in self._open if generation.job.request_id == request_id]
        for generation in found:
            generation.abort()
        return bool(found)

    async def close(self) -> None:
        """Takes nothing new, ends what runs, and waits until the engine is at rest."""
        self._closed = True
        for generation in list(self._open):
            await generation.close()
        await asyncio.to_thread(self._threads.shutdown)

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
            generation.stopping = True

    async def _run(self, generation: Generation) -> Result:
        job, arrived = generation.job, self._clock()
        prompt = await asyncio.to_thread(self._engine.tokenize, job.messages)
        room = self.info.context_limit - len(prompt)
        if room < 1:
            raise ContextTooLong(len(prompt), self.info.context_limit)
        decoding = resolve(job.sampling, self.info.defaults, room=room, max_tokens_default=self._max_tokens_default)
        await self._slots.acquire()
        decode = Decode(self._engine, generation, prompt, decoding, self._clock)
        self._running += 1
        generation.dispatched = True
        work = asyncio.get_running_loop().run_in_executor(self._threads, decode.run)
        work.add_done_callback(self._released)
        finish = await asyncio.shield(work)
        if not generation.text and not decode.stopped_by_string:
            raise EmptyOutput
        timings = Timings(decode.started - arrived, decode.first_token_seconds, decode.seconds)
        self._usual_seconds += 0.2 * (timings.total - self._usual_seconds)
        return Result(generation.text, finish, len(prompt), decode.completion_tokens, timings)

    def _released(self, work: asyncio.Future[Finish]) -> None:
        self._running -= 1
        self._slots.release()
        if not work.cancelled():
            # The engine's error is seen here even where the caller has gone.
            work.exception()
