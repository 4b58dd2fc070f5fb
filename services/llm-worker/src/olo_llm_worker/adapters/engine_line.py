"""The worker's end of the connection to its engine process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterable
from itertools import compress, repeat
from typing import Any, Final

from olo_common.errors import InvalidField, OloError
from olo_common.logs import logger
from olo_llm_worker.adapters.frames import (
    Began,
    Check,
    Checked,
    Done,
    Frame,
    Ping,
    Pong,
    Ready,
    Refused,
    Start,
    Stop,
    Tokens,
    WireError,
)
from olo_llm_worker.adapters.wire import Decoder, encode
from olo_llm_worker.errors import EngineLost, GenerationStalled, ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import Batch, Listener, Token, Top

PULSE_SECONDS: Final = 1.0
UNANSWERED: Final = 15
"""Pulses in a row without an answer after which a process is taken for hung. They are counted, not timed: where the
whole machine was asleep, one is missing."""
_PROCESS: Final = "olo_llm_worker.adapters.engine_process"


class _Running:
    """A batch in the process, and who hears of it."""

    def __init__(self, listener: Listener, stop: Callable[[int], None], rows: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.silent = 0
        """Pulses since it was heard of."""
        self._listener = listener
        self._stop = stop
        self._rows = range(rows)
        self._stopped: set[int] = set()
        self._failure: Exception | None = None

    def take(self, frame: Began | Tokens | Done) -> None:
        """Takes what the process says of it. A listener that fails, fails this batch alone."""
        self.silent = 0
        if isinstance(frame, Done):
            self._finish(frame)
            return
        if self._failure is not None:
            return
        try:
            if isinstance(frame, Began):
                self._listener.began(cached=frame.cached)
            else:
                self._end(self._listener.tokens(*self._wanted(frame)))
        except Exception as error:
            self._failure = error
            self._end(self._rows)

    def _wanted(self, frame: Tokens) -> tuple[list[Token], list[Top]]:
        """What belongs to rows that have not been told to end."""
        tokens, tops = list(zip(frame.rows, frame.ids, frame.logprobs or repeat(0.0), strict=False)), frame.tops()
        if not self._stopped:
            return tokens, tops
        kept = [row not in self._stopped for row in frame.rows]
        return list(compress(tokens, kept)), list(compress(tops, kept))

    def _end(self, rows: Iterable[int]) -> None:
        for row in rows:
            if row not in self._stopped:
                self._stopped.add(row)
                self._stop(row)

    def _finish(self, frame: Done) -> None:
        if self._failure is not None:
            self.done.set_exception(self._failure)
        elif frame.problem:
            logger(__name__).error("batch_failed", problem=frame.problem.partition(":")[0])
            self.done.set_exception(ModelUnavailable("the engine has failed", retry_after=1.0))
        else:
            self.done.set_result(None)


class EngineLine(asyncio.Protocol):
    """The connection to a process, and the process."""

    _transport: asyncio.Transport

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.over = asyncio.Event()
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.process = process
        self._decoder = Decoder()
        self._running: dict[int, _Running] = {}
        self._checks: dict[int, asyncio.Future[Checked]] = {}
        self._unanswered = 0

    @classmethod
    async def open(cls) -> EngineLine:
        """Starts a process."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", _PROCESS, stdin=theirs.fileno())
        # It says nothing before it is spoken to.
        try:
            transport, line = await asyncio.get_running_loop().create_unix_connection(lambda: cls(process), sock=ours)
        except BaseException:
            # A start that is cancelled just here has nobody else to end the process.
            ours.close()
            process.kill()
            await process.wait()
            raise
        line._transport = transport
        return line

    def say(self, frame: Frame) -> None:
        """Sends a frame; one that cannot arrive any more is dropped."""
        self._transport.write(encode(frame))

    async def run(self, number: int, batch: Batch, listener: Listener) -> None:
        """Has a batch generated."""
        self._alive()
        running = _Running(listener, lambda row: self.say(Stop(number, row)), len(batch.prompts))
        self._running[number] = running
        try:
            self.say(Start(number, batch))
            await running.done
        finally:
            del self._running[number]

    async def check(self, asked: Check) -> None:
        """Has a schema checked; see the port."""
        self._alive()
        answer = self._checks[asked.number] = asyncio.get_running_loop().create_future()
        try:
            self.say(asked)
            checked = await answer
        finally:
            del self._checks[asked.number]
        if checked.field:
            raise InvalidField(checked.field, checked.problem, reason=checked.reason)
        if checked.problem:
            logger(__name__).error("schema_failed", problem=checked.problem.partition(":")[0])
            raise ModelUnavailable("the engine has failed", retry_after=1.0)

    async def watch(self, stall_seconds: float) -> None:
        """Until the process ends: kills it once it hangs, so that another one can be started.

        It hangs where it does not answer, or where a batch gives nothing for as long as two callers would wait for it.
        """
        most = max(1, round(2 * stall_seconds / PULSE_SECONDS))
        while not self.over.is_set():
            await asyncio.sleep(PULSE_SECONDS)
            silent = max((running.silent for running in self._running.values()), default=0)
            if self._unanswered >= UNANSWERED or silent >= most:
                logger(__name__).error("engine_hung", pid=self.process.pid)
                self._give_up(GenerationStalled)
                self._transport.abort()
                return
            self._unanswered += 1
            for running in self._running.values():
                running.silent += 1
            self.say(Ping())

    async def close(self) -> None:
        """Ends the process."""
        self._transport.abort()
        await self.over.wait()
        await self.process.wait()

    def data_received(self, data: bytes) -> None:
        """Takes what the process says."""
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except WireError as error:
            logger(__name__).error("engine_not_understood", problem=str(error))
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Tells all who wait: the process has ended, or is made to."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        if not self.ready.done():
            self.ready.set_exception(EngineLost("loaded the model"))
            # Nobody waits for it any more where the start was cancelled.
            self.ready.exception()
        self._give_up(EngineLost)
        self.over.set()

    def _give_up(self, cause: Callable[[], OloError]) -> None:
        waiting: list[asyncio.Future[Any]] = [running.done for running in self._running.values()]
        for future in [*waiting, *self._checks.values()]:
            if not future.done():
                future.set_exception(cause())

    def _alive(self) -> None:
        if self.over.is_set():
            # Nobody can say that what is asked now has had a part in it.
            raise ModelUnavailable("the engine has died before", retry_after=1.0)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Ready):
            self.ready.set_result(frame)
        elif isinstance(frame, Pong):
            self._unanswered = 0
        elif isinstance(frame, Refused):
            self.ready.set_exception(MemoryError() if frame.memory else ModelDirectoryError(frame.problem))
        elif isinstance(frame, Began | Tokens | Done) and (running := self._running.get(frame.number)) is not None:
            running.take(frame)
        elif isinstance(frame, Checked):
            answer = self._checks.get(frame.number)
            # Where the caller has gone nobody waits for it any more.
            if answer is not None and not answer.done():
                answer.set_result(frame)
