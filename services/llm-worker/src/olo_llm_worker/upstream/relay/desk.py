"""Who may be relayed, who waits, who is refused.

Up to `max_concurrency` requests are with the upstream, up to `max_queue` more wait in the order of their arrival.
Deadlines and cancellation hold while waiting and while text comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from olo_llm_worker.errors import DeadlineExceeded, EmptyOutput, GenerationAborted, QueueFull, WorkerStopping
from olo_llm_worker.upstream.errors import UpstreamBroken
from olo_llm_worker.upstream.relay.answer import Answer
from olo_llm_worker.upstream.relay.engine import EngineFacts, TextEngine
from olo_llm_worker.upstream.relay.estimate import estimate_prompt, estimate_text
from olo_llm_worker.upstream.relay.surrogates import SurrogateJoiner
from olo_llm_worker.upstream.relay.types import Delta, Finished, Result, TextRequest, Usage
from olo_llm_worker.upstream.relay.validation import validate

MAX_ANSWER_CHARACTERS = 16_000_000
"""An upstream that goes on beyond this is broken."""


class Desk:
    """Relays answers; see the module. Lives on one event loop.

    Args:
        engine: Where text comes from.
        max_concurrency: Requests that are with the upstream at the same time.
        max_queue: Requests that may wait beyond these.
        max_tokens_default: Length of an answer where nobody says one.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        engine: TextEngine,
        *,
        max_concurrency: int,
        max_queue: int,
        max_tokens_default: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._max_tokens_default = max_tokens_default
        self._clock = clock
        self._slots = asyncio.Semaphore(max_concurrency)
        self._open: set[Answer] = set()
        self._closed = False

    @property
    def facts(self) -> EngineFacts:
        """What is served."""
        return self._engine.facts

    @property
    def running(self) -> int:
        """Requests that are with the upstream now."""
        return len(self._open) - self.waiting

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return sum(answer.waiting for answer in self._open)

    def count_tokens(self, request: TextRequest) -> int:
        """An estimate of the tokens of the prompt.

        Raises:
            OloError: A field is wrong.
        """
        validate(request, self.facts)
        return self._engine.count_tokens(request.turns, request.tools)

    @asynccontextmanager
    async def answer(self, request: TextRequest) -> AsyncIterator[Answer]:
        """Admits a request and relays its answer beside the body; leaving the body ends it.

        Raises:
            OloError: It is refused at once: a field is wrong, or the queue is full.
        """
        validate(request, self.facts)
        if self._closed:
            raise WorkerStopping
        if len(self._open) >= self._max_concurrency + self._max_queue:
            raise QueueFull(self.waiting, retry_after=1.0)
        answer = Answer(self._filled(request))
        answer.follow(asyncio.create_task(self._guarded(answer), name="answer"))
        self._open.add(answer)
        try:
            yield answer
        finally:
            await answer.close()
            self._open.discard(answer)

    def abort(self, request_id: str) -> bool:
        """Ends what runs or waits under this id; False where nothing does."""
        found = [answer for answer in self._open if answer.request.request_id == request_id]
        for answer in found:
            answer.end(GenerationAborted())
        return bool(found)

    async def close(self) -> None:
        """Takes nothing new, and ends what runs."""
        self._closed = True
        for answer in list(self._open):
            answer.end(WorkerStopping())
            await answer.close()

    def _filled(self, request: TextRequest) -> TextRequest:
        wanted = request.options.max_tokens or self._max_tokens_default
        limited = min(wanted, self.facts.context_limit)
        return replace(request, options=replace(request.options, max_tokens=limited))

    async def _guarded(self, answer: Answer) -> Result:
        """The relay within its deadline."""
        try:
            async with asyncio.timeout(answer.request.timeout):
                return await self._relay(answer)
        except TimeoutError:
            raise DeadlineExceeded from None

    async def _relay(self, answer: Answer) -> Result:
        arrived = self._clock()
        async with self._slots:
            answer.dispatched = True
            started, first = self._clock(), None
            finished, joiner, characters = None, SurrogateJoiner(), 0
            async with aclosing(self._engine.generate(answer.request)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        finished = event
                        continue
                    first = self._clock() if first is None else first
                    characters += len(event.text)
                    if characters > MAX_ANSWER_CHARACTERS:
                        raise UpstreamBroken("the server of the model does not come to an end")
                    if (text := joiner.feed(event.text)) or event.logprobs:
                        answer.accept(Delta(text, event.logprobs))
            if finished is None:
                raise UpstreamBroken("the server of the model broke off before the answer was complete")
            if rest := joiner.flush():
                answer.accept(Delta(rest))
            return self._result(answer, finished, arrived, started, first)

    def _result(
        self, answer: Answer, finished: Finished, arrived: float, started: float, first: float | None
    ) -> Result:
        text, ended, request = answer.text, self._clock(), answer.request
        if not text and not finished.calls:
            raise EmptyOutput
        usage = finished.usage or Usage(estimate_prompt(request.turns, request.tools), estimate_text(text))
        return Result(
            text=text,
            finish=finished.finish,
            usage=usage,
            calls=finished.calls[:1] if request.tool_choice.single else finished.calls,
            logprobs=tuple(one for delta in answer.deltas for one in delta.logprobs),
            queue=started - arrived,
            first_text=(ended if first is None else first) - started,
            total=ended - started,
        )
