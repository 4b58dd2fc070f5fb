"""The process that the engine runs in: `python -m olo_llm_worker.adapters.engine_process`, with a socket as its input.

It loads the model that the first frame names, generates batches, each in a thread, and ends with its worker: when the
socket is closed, or where the system can tell, when the worker dies. Signals that ask for an end are meant for the
worker, which a terminal or a supervisor tells as well, and which needs this process until it has drained.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.frames import (
    Began,
    Check,
    Checked,
    Done,
    Frame,
    Load,
    Ping,
    Pong,
    Ready,
    Refused,
    Start,
    Stop,
    Tokens,
)
from olo_llm_worker.adapters.gpu import free_memory
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.adapters.wire import Decoder, encode
from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.generation.engine import AGAIN, END, Top

_PR_SET_PDEATHSIG: Final = 1
_TELL_SECONDS: Final = 0.002
"""Steps that are shorter are told together: the reader would spend more on each message than the engine on its step."""


class Line:
    """The way to the worker, for several threads. Where it is broken there is nothing left to live for."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, frame: Frame) -> None:
        """Sends a frame; waits while the worker does not read."""
        try:
            with self._lock:
                self._connection.sendall(encode(frame))
        except OSError:
            _end()


class Work:
    """One batch: gathers its tokens, and tells them after each step, in which all rows that still run have one.

    Args:
        start: What to generate.
        line: Where to tell.
    """

    def __init__(self, start: Start, line: Line) -> None:
        self.batch = start.batch
        self._number = start.number
        self._line = line
        self._rooms = list(start.batch.limits)
        self._stopped: set[int] = set()
        self._expected = set(range(len(self._rooms)))
        self._step: set[int] = set()
        self._ended = False
        self._told_at = 0.0
        self._said = Tokens(start.number, array("i"), array("i"), array("d"), start.batch.decoding.top_logprobs)

    def stop(self, row: int) -> None:
        """Ends a row at its next step."""
        self._stopped.add(row)

    def began(self, *, cached: bool) -> None:
        """Tells it."""
        self._line.say(Began(self._number, cached))

    def token(self, row: int, token_id: int, logprob: float, top: Top = ()) -> bool:
        """Takes a token in the engine's thread; True where the row was told to end."""
        if row in self._step:
            # Rows whose prompt is still being read give none, and are not waited for until they do.
            self._expected &= self._step
            self._stepped()
        stopped = row in self._stopped
        if not stopped:
            self._rooms[row] -= 1
            said = self._said
            said.rows.append(row)
            said.ids.append(token_id)
            if self.batch.decoding.logprobs:
                said.logprobs.append(logprob)
            if said.width:
                padded = (*top, *((-1, 0.0),) * (said.width - len(top)))
                said.top_ids.extend(each for each, _ in padded)
                said.top_logprobs.extend(each for _, each in padded)
        over = stopped or token_id in (END, AGAIN) or self._rooms[row] <= 0
        late = row not in self._expected and not self._step
        if over:
            self._ended = True
            self._expected.discard(row)
        else:
            self._expected.add(row)
        if not late:
            self._step.add(row)
        if self._expected <= self._step:
            self._stepped()
        return stopped

    def tell(self) -> None:
        """Tells what was gathered."""
        if self._said.rows:
            self._line.say(self._said)
            self._said = Tokens(self._number, array("i"), array("i"), array("d"), self._said.width)

    def _stepped(self) -> None:
        self._step.clear()
        now = time.monotonic()
        if self._ended or now - self._told_at >= _TELL_SECONDS:
            self._told_at, self._ended = now, False
            self.tell()


def main() -> NoReturn:
    """Serves one worker, and ends with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _die_with_the_worker()
    connection = socket.socket(fileno=os.dup(0))
    line, decoder = Line(connection), Decoder()
    generator: NativeGenerator | None = None
    threads: ThreadPoolExecutor | None = None
    checks = ThreadPoolExecutor(1, thread_name_prefix="schemas")
    works: dict[int, Work] = {}
    with contextlib.suppress(OSError):
        while data := connection.recv(1 << 16):
            for frame in decoder.feed(data):
                if isinstance(frame, Load):
                    generator = _load(frame, line)
                    threads = ThreadPoolExecutor(frame.replicas, thread_name_prefix="generation")
                elif isinstance(frame, Start) and generator is not None and threads is not None:
                    works[frame.number] = Work(frame, line)
                    threads.submit(_generate, generator, frame.number, works, line)
                elif isinstance(frame, Check) and generator is not None:
                    checks.submit(_check, generator, frame, line)
                elif isinstance(frame, Stop) and (work := works.get(frame.number)) is not None:
                    work.stop(frame.row)
                elif isinstance(frame, Ping):
                    line.say(Pong())
    _end()


def _load(asked: Load, line: Line) -> NativeGenerator:
    try:
        generator = NativeGenerator(
            Path(asked.path),
            asked.vocabulary,
            asked.tokenizer,
            asked.stop_ids,
            device=asked.device,
            compute_type=asked.compute_type,
            replicas=asked.replicas,
            intra_threads=asked.intra_threads,
        )
    except (ModelDirectoryError, MemoryError) as error:
        line.say(Refused(str(error), isinstance(error, MemoryError)))
        _end()
    free = free_memory() if generator.device == "cuda" else 0
    line.say(Ready(generator.device, generator.compute_type, free, generator.unmaskable))
    return generator


def _generate(generator: NativeGenerator, number: int, works: dict[int, Work], line: Line) -> None:
    work, problem = works[number], ""
    try:
        generator.generate(work.batch, work)
    except BaseException as error:
        # What panics in Rust is no Exception, and the worker would wait for ever.
        problem = _told(error)
    work.tell()
    del works[number]
    line.say(Done(number, problem))


def _check(generator: NativeGenerator, asked: Check, line: Line) -> None:
    try:
        generator.grammar.guide(asked.schema, asked.answer)
    except InvalidField as error:
        field = error.field or ""
        line.say(Checked(asked.number, error.message.removeprefix(f"{field}: "), field, error.reason))
    except BaseException as error:
        line.say(Checked(asked.number, _told(error)))
    else:
        line.say(Checked(asked.number))


def _told(error: BaseException) -> str:
    """What the worker logs; the cause says more."""
    return f"{type(error.__cause__ or error).__name__}: {error.__cause__ or error}"


def _die_with_the_worker() -> None:
    """Has the system end this process with its worker, also while native code holds everything up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end() -> NoReturn:
    """Ends at once: threads may be in the middle of native code, and the system frees all memory."""
    os._exit(0)


if __name__ == "__main__":
    main()
