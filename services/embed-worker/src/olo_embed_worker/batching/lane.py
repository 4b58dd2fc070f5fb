"""A thread for blocking work, with a bound on what may wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from olo_embed_worker.errors import QueueFull

T = TypeVar("T")


class Lane:
    """Runs blocking calls one after the other, off the event loop.

    Args:
        name: Names the thread.
        max_texts: Texts of all calls that may wait or run; a call that would exceed it is refused.
    """

    def __init__(self, name: str, *, max_texts: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._max_texts = max_texts
        self._texts = 0
        self._calls = 0

    @property
    def in_flight(self) -> int:
        """Calls that wait or run."""
        return self._calls

    async def run(self, texts: int, call: Callable[[], T]) -> T:
        """The result of the call, which is about so many texts. Cancelling drops it unless it has begun.

        Raises:
            QueueFull: Too much is waiting.
        """
        if self._texts + texts > self._max_texts:
            raise QueueFull("too many texts are waiting", retry_after=1.0)
        self._texts += texts
        self._calls += 1
        work = self._threads.submit(call)
        # Counted until the thread is done with it, not until the caller stops waiting.
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: _on_loop(loop, self._done, texts))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Waits for what runs and drops what waits. Blocks."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _done(self, texts: int) -> None:
        self._texts -= texts
        self._calls -= 1


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[int], None], texts: int) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, texts)
