"""From a job to its answer: admission, deadlines, cancellation, and the rows that a dispatcher brings to the engine.

Up to `max_concurrency` rows are in the engine, up to `max_queue` more wait. Deadlines and cancellation hold while
waiting and at each step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from olo_common.errors import InvalidField, OloError
from olo_llm_worker.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EmptyOutput,
    GenerationAborted,
    ModelUnavailable,
    QueueFull,
    WorkerStopping,
)
from olo_llm_worker.generation.dispatcher import Dispatcher
from olo_llm_worker.generation.engine import Engine, EngineInfo
from olo_llm_worker.generation.generation import Generation, Witness, nobody
from olo_llm_worker.generation.options import refuse_long, resolve, validate
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.reading import Reader
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.types import Isolation, Job, Message, Result, Timings, Tool


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
        self._dispatcher = Dispatcher(engine, policy, clock=clock)
        self._open: set[Generation] = set()
        self._usual_seconds = 1.0
        self._ending: OloError | None = None
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._engine.info

    @property
    def running(self) -> int:
        """Rows that are in the engine now."""
        return self._dispatcher.inside

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return sum(_waiting_rows(generation) for generation in self._open)

    async def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the rendered prompt.

        Raises:
            OloError: The messages are not acceptable.
        """
        validate(Job("", tuple(messages), tools=tuple(tools)), self.info, self._policy.max_concurrency)
        return await asyncio.to_thread(self._engine.tokenize, messages, tools)

    async def tokenize_text(self, text: str) -> list[int]:
        """The token ids of a text by itself."""
        return await asyncio.to_thread(self._engine.tokenize_text, text)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens.

        Raises:
            InvalidField: The model has no such token.
        """
        for position, token_id in enumerate(token_ids):
            if token_id >= self.info.vocabulary_size:
                raise InvalidField(f"token_ids[{position}]", "the model has no such token")
        return await asyncio.to_thread(self._engine.detokenize, token_ids)

    @asynccontextmanager
    async def generation(self, job: Job, witness: Witness = nobody) -> AsyncIterator[Generation]:
        """Admits a job and runs it beside the body; leaving the body ends it.

        Args:
            job: What to generate.
            witness: Asked before the engine sees a job that has it for itself, and again before others go in.

        Raises:
            OloError: It is refused at once: a field is wrong, or the queue is full.
        """
        policy = self._policy
        validate(job, self.info, policy.max_concurrency)
        if self._ending is not None:
            raise self._ending
        waiting = self.waiting
        if self.running + waiting + job.n > policy.max_concurrency + policy.max_queue:
            turns = (waiting + 1) / policy.max_concurrency
            raise QueueFull(waiting, retry_after=max(0.1, round(self._usual_seconds * turns, 1)))
        generation = Generation(job, witness)
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
        for batch in batches:
            await self._dispatcher.on_all_replicas(batch)

    async def rest(self) -> None:
        """Waits until all that was taken has ended, and its callers have gone."""
        await self._at_rest.wait()

    async def close(self) -> None:
        """Takes nothing new, ends what runs, and waits until the engine is at rest."""
        self._ending = WorkerStopping()
        await self._end_all()
        await self._dispatcher.close()

    async def lose(self) -> None:
        """The engine has died: what was in it fails with it; what has waited may come again, and is told so."""
        self._ending = ModelUnavailable("the model is being loaded anew", retry_after=1.0)
        await self._dispatcher.close()
        await self._end_all()

    async def _end_all(self) -> None:
        for generation in list(self._open):
            await generation.close()

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
            if self._ending is not None:
                raise generation.failure or self._ending from None
            raise
        finally:
            for row in generation.rows:
                self._dispatcher.withdraw(row)
            self._dispatcher.leave(generation)

    async def _run(self, generation: Generation) -> Result:
        job, arrived, limit = generation.job, self._clock(), self.info.context_limit
        prompt, static = await asyncio.to_thread(self._reader.read, job)
        if len(prompt) >= limit:
            raise ContextTooLong(len(prompt), limit)
        decoding, max_tokens = resolve(
            job.sampling,
            self.info.defaults,
            room=limit - len(prompt),
            prefix=len(job.prefix_token_ids),
            max_tokens_default=self._policy.max_tokens_default,
            form=job.response_format,
        )
        refuse_long(decoding, max_tokens, self.info)
        if job.isolation is not Isolation.NONE:
            await self._isolate(generation)
        if decoding.schema:
            generation.checking = True
            await self._engine.check_schema(decoding.schema, job.prefix_token_ids[:max_tokens])
        for _ in range(job.n):
            row = Row(
                prompt,
                static,
                decoding,
                max_tokens=max_tokens,
                stops=job.sampling.stop,
                detokenize=self._engine.detokenize,
                spell=self._engine.spell,
                changed=generation.changed,
                party=generation,
            )
            generation.rows.append(row)
            row.resume(job.prefix_token_ids[:max_tokens])
            if not row.outcome.done():
                self._dispatcher.add(row)
        if job.isolation is Isolation.FIRST_TOKEN:
            await self._let_others_in(generation)
        await asyncio.gather(*(row.outcome for row in generation.rows))
        result = _result(generation.rows, len(prompt), arrived, self._clock())
        self._usual_seconds += 0.2 * (result.timings.total - self._usual_seconds)
        return result

    async def _isolate(self, generation: Generation) -> None:
        await self._dispatcher.isolate(generation)
        generation.alone = True
        if not await generation.witness():
            # It has not begun: what befalls the worker now is not its doing.
            generation.alone = False
            raise ModelUnavailable("what a suspected request does cannot be told", retry_after=1.0)

    async def _let_others_in(self, generation: Generation) -> None:
        """Waits until the engine has survived the prompt. Where nobody can be told of it, others wait for the end."""
        if not await generation.spoken():
            return
        generation.alone = False
        if await generation.witness():
            self._dispatcher.let_in(generation)
        else:
            generation.alone = True


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
