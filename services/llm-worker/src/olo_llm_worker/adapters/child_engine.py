"""The engine in a process of its own: what native code breaks, it breaks there.

One process holds the model for all replicas, which share its weights. The worker keeps the text side, writes batches
and rows to end, and reads tokens on its event loop; no thread of the worker waits for the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from olo_common.logs import logger
from olo_llm_worker.adapters.gpu import tokens_that_fit
from olo_llm_worker.adapters.model_text import ModelText
from olo_llm_worker.adapters.wire import (
    Began,
    Decoder,
    Done,
    Frame,
    Load,
    Ready,
    Refused,
    Start,
    Stop,
    Tokens,
    WireError,
    encode,
)
from olo_llm_worker.errors import EngineLost, ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import Batch, EngineInfo, Listener, Token
from olo_llm_worker.generation.types import Message, Tool
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.manifest import MODEL, VOCABULARY
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.shapes import cache_values_per_token

_PROCESS = "olo_llm_worker.adapters.engine_process"


@dataclass(frozen=True, slots=True)
class Placement:
    """How the model is computed.

    Args:
        device: cpu, cuda or auto.
        compute_type: Number format of the computation; `default` is the nearest to the stored weights.
        replicas: Batches computed at the same time, on shared weights.
        intra_threads: CPU threads of one batch; 0 lets the engine choose.
    """

    device: str = "cpu"
    compute_type: str = "default"
    replicas: int = 1
    intra_threads: int = 1


async def start_engine(directory: ModelDirectory, placement: Placement) -> ChildEngine:
    """Starts a process and has it load the model. Being cancelled ends it.

    Raises:
        ModelDirectoryError: The engine cannot load it so.
        MemoryError: There is not enough memory.
        EngineLost: The process has died while it loaded the model.
    """
    text = await asyncio.to_thread(ModelText, directory)
    line = await _Line.open()
    try:
        line.say(
            Load(
                str(directory.path),
                VOCABULARY,
                text.stop_ids,
                placement.device,
                placement.compute_type,
                placement.replicas,
                placement.intra_threads,
            )
        )
        ready = await line.ready
    except BaseException:
        await line.close()
        raise
    tokens = tokens_that_fit(
        ready.free_memory,
        values_per_token=cache_values_per_token(read_model_bin(directory.file(MODEL))),
        compute_type=ready.compute_type,
        replicas=placement.replicas,
    )
    info = text.info(device=ready.device, compute_type=ready.compute_type, batch_tokens=tokens)
    return ChildEngine(line, text, info)


class ChildEngine:
    """An engine whose process has loaded the model; made by `start_engine`."""

    def __init__(self, line: _Line, text: ModelText, info: EngineInfo) -> None:
        self._line = line
        self._text = text
        self._info = info
        self._numbers = itertools.count()
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._info

    @property
    def pid(self) -> int:
        """The process that computes."""
        return self._line.process.pid

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt."""
        return self._text.tokenize(messages, tools)

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        return self._text.detokenize(token_ids)

    async def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row."""
        await self._line.run(next(self._numbers), batch, listener)

    async def lost(self) -> None:
        """Waits until the process has ended, and logs how."""
        await self._line.over.wait()
        status = await self._line.process.wait()
        if not self._closed:
            logger(__name__).error("engine_lost", pid=self.pid, exit_status=status)

    async def close(self) -> None:
        """Ends the process, and waits for it: its memory is free then."""
        self._closed = True
        await self._line.close()


class _Running:
    """A batch in the process, and who hears of it."""

    def __init__(self, listener: Listener, stop: Callable[[int], None], rows: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._stop = stop
        self._rows = range(rows)
        self._stopped: set[int] = set()
        self._failure: Exception | None = None

    def take(self, frame: Began | Tokens | Done) -> None:
        """Takes what the process says of it. A listener that fails, fails this batch alone."""
        if isinstance(frame, Done):
            self._finish(frame)
            return
        if self._failure is not None:
            return
        try:
            if isinstance(frame, Began):
                self._listener.began(cached=frame.cached)
            else:
                self._end(self._listener.tokens(self._wanted(frame)))
        except Exception as error:
            self._failure = error
            self._end(self._rows)

    def _wanted(self, frame: Tokens) -> list[Token]:
        tokens = zip(frame.rows, frame.ids, frame.logprobs or repeat(0.0), strict=False)
        return [token for token in tokens if token[0] not in self._stopped] if self._stopped else list(tokens)

    def _end(self, rows: Iterable[int]) -> None:
        for row in rows:
            if row not in self._stopped:
                self._stopped.add(row)
                self._stop(row)

    def _finish(self, frame: Done) -> None:
        if self._failure is not None:
            self.done.set_exception(self._failure)
        elif frame.problem:
            logger(__name__).error("batch_failed", problem=frame.problem)
            self.done.set_exception(ModelUnavailable("the engine has failed", retry_after=1.0))
        else:
            self.done.set_result(None)


class _Line(asyncio.Protocol):
    """The connection to a process, and the process."""

    _transport: asyncio.Transport

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.over = asyncio.Event()
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.process = process
        self._decoder = Decoder()
        self._running: dict[int, _Running] = {}

    @classmethod
    async def open(cls) -> _Line:
        """Starts a process."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", _PROCESS, stdin=theirs.fileno())
        # It says nothing before it is spoken to.
        transport, line = await asyncio.get_running_loop().create_unix_connection(lambda: cls(process), sock=ours)
        line._transport = transport
        return line

    def say(self, frame: Frame) -> None:
        """Sends a frame; one that cannot arrive any more is dropped."""
        self._transport.write(encode(frame))

    async def run(self, number: int, batch: Batch, listener: Listener) -> None:
        """Has a batch generated."""
        if self.over.is_set():
            # Nobody can say that this batch has had a part in it.
            raise ModelUnavailable("the engine has died before", retry_after=1.0)
        running = _Running(listener, lambda row: self.say(Stop(number, row)), len(batch.prompts))
        self._running[number] = running
        try:
            self.say(Start(number, batch))
            await running.done
        finally:
            del self._running[number]

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
        for running in self._running.values():
            if not running.done.done():
                running.done.set_exception(EngineLost())
        self.over.set()

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Ready):
            self.ready.set_result(frame)
        elif isinstance(frame, Refused):
            self.ready.set_exception(MemoryError() if frame.memory else ModelDirectoryError(frame.problem))
        elif isinstance(frame, Began | Tokens | Done) and (running := self._running.get(frame.number)) is not None:
            running.take(frame)
