"""Blocking stores on threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from olo_common.errors import Unavailable

R = TypeVar("R")


class StoreThreads:
    """Runs the calls of one store.

    Args:
        count: How many run at once.
        failures: What the store raises where it does not answer; becomes Unavailable.
    """

    def __init__(self, count: int, failures: tuple[type[Exception], ...]) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="vectors")
        self._failures = failures

    async def run(self, work: Callable[[], R]) -> R:
        """The result of a call.

        Raises:
            Unavailable: The store does not answer.
        """
        try:
            return await self.raw(work)
        except self._failures as error:
            raise Unavailable("the vector store does not answer", retry_after=1.0) from error

    async def raw(self, work: Callable[[], R]) -> R:
        """The result of a call, or what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Takes no more calls; what runs is let end."""
        self._executor.shutdown(wait=False)
