"""A run as it is told to one caller: what the models say while they say it, and at the end the stored answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from olo.gateway.v1.run_pb2 import ChatResponse, RunProgress
from olo_gateway.ports import TokenStreams
from olo_gateway.streaming.assembler import Assembler
from olo_gateway.streaming.events import Chunk, Delta, Reset, ResumePoint, StreamEvent
from olo_gateway.streaming.reader import Reader
from olo_gateway.telemetry import FIRST_CHUNKS, REPLAYS, RESETS, RETURNS

PACE_SECONDS: Final = 0.02
"""After the first, at most one delta is given in this time. Workers send less often: it is for bursts."""

KEEPING_SECONDS: Final = 1.0
"""How long a chunk may take from being heard to being kept: one that was said just before this caller came is known by
then, if no later one has shown that it is missing."""


@dataclass(frozen=True, slots=True)
class Started:
    """The run is durable from now on."""

    run_id: str
    created: int
    """When it was started, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the run is busy with, while there is no text yet."""

    progress: RunProgress


@dataclass(frozen=True, slots=True)
class Completed:
    """The run has ended with an answer."""

    response: ChatResponse


ChatEvent: TypeAlias = Started | Progress | Delta | Reset | Completed


class Following:
    """Follows one run for one caller; not shared.

    Chunks go into the one buffer of the answer as they come, and each event holds what has come since the one before:
    a caller that is slow gets fewer and longer ones.
    """

    def __init__(self, tokens: TokenStreams, run_id: str) -> None:
        self._tokens = tokens
        self._run_id = run_id
        self._answer = Assembler()
        self._news = asyncio.Event()
        self._replaying: asyncio.Task[None] | None = None
        self._replay_again: asyncio.TimerHandle | None = None
        self._replayed_at: object = None

    async def events(
        self,
        start: Callable[[], Awaitable[Started]],
        result: Callable[[], Coroutine[Any, Any, ChatResponse]],
        point: ResumePoint | None,
    ) -> AsyncGenerator[ChatEvent, None]:
        """`Started`, deltas and resets, `Completed`.

        Args:
            start: Starts the run, or finds it; it is heard from before on.
            result: Waits for its answer.
            point: How far the caller has come elsewhere; None: the run is new.

        Raises:
            OloError: Why the run has failed, or cannot be followed from there.
        """
        async with self._tokens.listen(self._run_id, self._hear):
            began = time.monotonic() if point is None else None
            yield await start()
            if point is not None and point.offset:
                RETURNS.add()
            async with self._ending(result()) as ended:
                if point is not None:
                    await asyncio.wait([self._replay(), ended], return_when=asyncio.FIRST_COMPLETED)
                    self._replay_again = asyncio.get_running_loop().call_later(KEEPING_SECONDS, self._replay)
                reader = Reader(self._answer, point)
                while not ended.done():
                    events = reader.take()
                    began = _measured(events, began)
                    for event in events:
                        yield event
                    if events:
                        await asyncio.wait({ended}, timeout=PACE_SECONDS)
                    await self._news.wait()
                    self._news.clear()
                    self._close_gap()
                response = ended.result()
                self._answer.finish(response.message.content, several_attempts=len(response.attempts) > 1)
                events = reader.take()
                _measured(events, began)
                for event in events:
                    yield event
                yield Completed(response)

    def _hear(self, chunk: Chunk) -> None:
        self._answer.add(chunk)
        self._news.set()

    @asynccontextmanager
    async def _ending(self, result: Coroutine[Any, Any, ChatResponse]) -> AsyncIterator[asyncio.Task[ChatResponse]]:
        """The result, awaited beside the body."""
        ended = asyncio.create_task(result, name="result")
        ended.add_done_callback(lambda _: self._news.set())
        try:
            yield ended
        finally:
            ended.cancel()
            if self._replay_again is not None:
                self._replay_again.cancel()
            if self._replaying is not None:
                self._replaying.cancel()

    def _close_gap(self) -> None:
        """Asks for the chunks that are missing before others, once for each gap."""
        gap = self._answer.gap
        if gap is not None and gap != self._replayed_at and (self._replaying is None or self._replaying.done()):
            self._replayed_at = gap
            REPLAYS.add()
            self._replay()

    def _replay(self) -> asyncio.Task[None]:
        self._replaying = asyncio.create_task(self._hear_again(), name="replay")
        return self._replaying

    async def _hear_again(self) -> None:
        async with aclosing(self._tokens.history(self._run_id)) as chunks:
            async for chunk in chunks:
                self._hear(chunk)


def _measured(events: Sequence[StreamEvent], began: float | None) -> float | None:
    """Measures what a caller is about to get; gives `began` back until the first text has been measured."""
    for event in events:
        if isinstance(event, Reset):
            RESETS.add(reason=event.reason)
        elif began is not None:
            FIRST_CHUNKS.record(time.monotonic() - began)
            began = None
    return began
