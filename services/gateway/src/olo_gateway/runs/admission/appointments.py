"""When a refused caller should come back: a place in line, without a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SHORTEST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 60.0
_SPREAD: Final = 0.2
"""By how much of its length an appointment may be later, so that those who got one together do not come together."""


class Appointments:
    """Each refusal gets the next moment at which a place is expected to be free, so that a crowd comes back one by one.

    Args:
        jitter: Gives numbers from 0 to 1.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._next = 0.0

    def make(self, now: float, seconds_for_each: float) -> float:
        """Seconds until the caller should come back.

        Args:
            now: Monotonic seconds.
            seconds_for_each: How often a place becomes free.
        """
        self._next = min(max(self._next, now) + seconds_for_each, now + LONGEST_SECONDS)
        wait = max(SHORTEST_SECONDS, self._next - now)
        return min(LONGEST_SECONDS, wait * (1.0 + _SPREAD * self._jitter()))
