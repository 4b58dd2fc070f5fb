"""Admission: a bounded number of runs in flight, and a quick refusal beyond it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from olo_gateway.errors import Overloaded


class Admission:
    """Counts the runs in flight.

    Args:
        limit: How many there may be.
        jitter: Gives numbers from 0 to 1, which spread the retries of refused callers.
    """

    def __init__(self, limit: int, jitter: Callable[[], float] = random.random) -> None:
        self._limit = limit
        self._jitter = jitter
        self.in_flight = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds one place while entered.

        Raises:
            Overloaded: There is none.
        """
        if self.in_flight >= self._limit:
            raise Overloaded("too many requests are in flight; try again later", retry_after=1.0 + self._jitter())
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
