"""Threads for blocking work, with a bound on what may wait for them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from olo_embed_worker.errors import QueueFull

S = TypeVar("S")
T = TypeVar("T")


class Lane:
    """Runs blocking calls off the event loop, in the order in which they came.

    Args:
        name: Names the threads.
        threads: Calls that run at once.
        max_texts: Texts of all calls that may wait or run; a call that would exceed it is refused.
    """

    def __init__(self, name: str, *, threads: int = 1, max_texts: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
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
        work = self._pool.submit(call)
        # Counted until a thread is done with it, not until the caller stops waiting.
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: _on_loop(loop, self._done, texts))
        return await asyncio.wrap_future(work)

    async def run_pieces(self, items: Sequence[S], size: int, call: Callable[[Sequence[S]], list[T]]) -> list[T]:
        """The results of the call for pieces of the items, one piece after the other.

        Other callers' pieces run in between, and cancelling takes effect at the next piece.

        Raises:
            QueueFull: Too much is waiting.
        """
        results: list[T] = []
        for start in range(0, len(items), size):
            piece = items[start : start + size]
            results += await self.run(len(piece), functools.partial(call, piece))
        return results

    def close(self) -> None:
        """Waits for what runs and drops what waits. Blocks."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, texts: int) -> None:
        self._texts -= texts
        self._calls -= 1


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[int], None], texts: int) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, texts)
