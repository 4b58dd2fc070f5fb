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
        is_failure: Whether what was raised means that the store does not answer, which becomes Unavailable.
    """

    def __init__(self, count: int, is_failure: Callable[[Exception], bool]) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="vectors")
        self._is_failure = is_failure

    async def run(self, work: Callable[[], R]) -> R:
        """The result of a call.

        Raises:
            Unavailable: The store does not answer.
        """
        try:
            return await self.raw(work)
        except Exception as error:
            if not self._is_failure(error):
                raise
            raise Unavailable("the vector store does not answer", retry_after=1.0) from error

    async def raw(self, work: Callable[[], R]) -> R:
        """The result of a call, or what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Takes no more calls; what runs is let end."""
        self._executor.shutdown(wait=False)
