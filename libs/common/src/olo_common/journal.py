"""The last lines of this process's log, kept in memory and told to whoever shows logs.

Keeping a line costs an append. Lines are sent in batches by a task of their own, on the bus that the process has
anyway; where the server is away or lines come faster than they can be sent, the oldest that were not sent are dropped,
and counted in the next batch. The log itself is standard error, and complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol

from olo_common.structlog_library import EventDict

LOGS_SUBJECT: Final = "olo.logs.v1"
"""Batches of lines are published below it, under the name of the service."""
LOGS_ASKED_SUBJECT: Final = "olo.logs.asked"
"""Whoever has just begun to show logs asks on it for the lines that were written before."""
KEPT: Final = 1000
"""Lines that a process keeps."""
WAITING: Final = 500
"""Lines that may wait to be sent."""
BATCH: Final = 100
_PAUSE_SECONDS: Final = 0.25
"""Between two batches: 400 lines a second at most, whatever happens."""

Line = Mapping[str, Any]


class Publishing(Protocol):
    """The bus, as far as it is needed here."""

    async def publish_quietly(self, subject: str, payload: bytes) -> bool:
        """Publishes without a word in the log; False where it could not."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Sender:
    """Where lines are sent from. An event belongs to the loop on which it is awaited, and so to one sender."""

    loop: asyncio.AbstractEventLoop
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Says in any thread that there are lines."""
        if not self.more.is_set():
            with contextlib.suppress(RuntimeError):
                # The loop may be closed while the process ends.
                self.loop.call_soon_threadsafe(self.more.set)


class Journal:
    """The lines of one process.

    Args:
        service: Its name.
    """

    def __init__(self, service: str) -> None:
        self.process = f"{socket.gethostname()}:{os.getpid()}"
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self._service = service
        self._waiting: deque[Line] = deque()
        self._numbers = count(1)
        self._dropped = 0
        self._sender: _Sender | None = None

    def keep(self, _: Any, __: str, event: EventDict) -> EventDict:
        """A processor of structlog: keeps the line, in whatever thread it is written."""
        event["service"], event["process"] = self._service, self.process
        line = {name: value for name, value in event.items() if not name.startswith("_")}
        line["number"] = next(self._numbers)
        self.lines.append(line)
        if (sender := self._sender) is not None:
            while len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(line)
            sender.wake()
        return event

    async def asked(self, _: str, __: bytes) -> None:
        """Sends again what is kept; the numbers of the lines tell who has them already."""
        if self._sender is not None:
            self._waiting = deque(list(self.lines)[-WAITING:])
            self._sender.more.set()

    async def send(self, bus: Publishing) -> None:
        """Sends lines for ever, those first that are kept already. One bus of a process does; for others this waits.

        Loops may come one after the other: what a loop has left behind that is closed does not count.
        """
        if self._sender is not None and not self._sender.loop.is_closed():
            await asyncio.Event().wait()
        self._sender = own = _Sender(asyncio.get_running_loop())
        self._waiting = deque(list(self.lines)[-WAITING:])
        own.more.set()
        try:
            while True:
                await own.more.wait()
                own.more.clear()
                await self._send_batch(bus)
                await asyncio.sleep(_PAUSE_SECONDS)
                if self._waiting:
                    own.more.set()
        finally:
            # A task that was left behind with its loop may end while another sends.
            if self._sender is own:
                self._sender = None
                self._waiting.clear()

    async def _send_batch(self, bus: Publishing) -> None:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        told = {"lines": batch, "dropped": self._dropped}
        if await bus.publish_quietly(f"{LOGS_SUBJECT}.{self._service}", json.dumps(told).encode()):
            self._dropped = 0
            return
        room = WAITING - len(self._waiting)
        self._dropped += max(0, len(batch) - room)
        self._waiting.extendleft(reversed(batch[max(0, len(batch) - room) :]))


class _Current:
    journal: Journal | None = None


def journal() -> Journal | None:
    """The journal of this process; None where its logs were not set up."""
    return _Current.journal


def begin_journal(service: str) -> Journal:
    """Keeps the lines of this process from now on."""
    _Current.journal = Journal(service)
    return _Current.journal
