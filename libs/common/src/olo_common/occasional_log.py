"""A warning that may be due a thousand times a second, written once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from olo_common.logs import logger


class OccasionalWarning:
    """Writes at most one line per `interval_seconds`, with the number of those that it stands for."""

    def __init__(
        self, event: str, *, interval_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._event = event
        self._interval = interval_seconds
        self._clock = clock
        self._next = float("-inf")
        self._count = 0

    def __call__(self, **facts: object) -> None:
        """Says that it has happened again."""
        self._count += 1
        now = self._clock()
        if now >= self._next:
            logger(__name__).warning(self._event, times=self._count, **facts)
            self._count, self._next = 0, now + self._interval
