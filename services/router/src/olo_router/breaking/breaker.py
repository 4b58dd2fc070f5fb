"""One circuit breaker: closed, open after failures in a row, half open after a pause, closed again by a success.

The time is given by the caller, in seconds that never go back. What is reported of an attempt that began before the
breaker opened is no news to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    """None do."""
    HALF_OPEN = "half_open"
    """Some do, as probes."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When breakers open and close."""

    failures: int = 3
    """So many in a row open it."""
    window_seconds: float = 60.0
    """Failures further apart than this are not in a row."""
    open_seconds: float = 60.0
    """How long it stays open before it is tried."""
    probes: int = 1
    """Requests under way at once while it is half open."""


class Breaker:
    """See the module."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._opened_at: float | None = None
        self._probes: list[float] = []
        self._last_event = float("-inf")
        self.failures = 0
        self.last_failure = ""
        self.failed_at = float("-inf")
        """When a failure was last reported."""

    def state(self, now: float) -> State:
        """The state at this moment."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self.open_for(now) > 0 else State.HALF_OPEN

    def open_for(self, now: float) -> float:
        """Seconds until it is half open; 0 where it is not open."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._policy.open_seconds - now)

    def allows(self, now: float) -> bool:
        """Whether one more request may pass."""
        state = self.state(now)
        if state is State.HALF_OPEN:
            self._forget_lost_probes(now)
            return len(self._probes) < self._policy.probes
        return state is State.CLOSED

    def probe(self, now: float) -> None:
        """Counts a request that passes while it is half open, until an outcome is known or it must be lost."""
        if self.state(now) is State.HALF_OPEN:
            self._probes.append(now)

    def failed(self, began: float, now: float, reason: str) -> None:
        """An attempt that began then has failed."""
        self.failed_at = now
        if self._opened_at is not None:
            if self.state(now) is State.HALF_OPEN and began >= self._opened_at:
                self._open(now, reason)
            return
        if now - self._last_event > self._policy.window_seconds:
            self.failures = 0
        self.failures += 1
        self.last_failure, self._last_event = reason, now
        if self.failures >= self._policy.failures:
            self._open(now, reason)

    def succeeded(self, began: float, now: float) -> None:
        """An attempt that began then has succeeded."""
        if self._opened_at is None or began >= self._opened_at:
            self._opened_at, self.failures, self.last_failure = None, 0, ""
            self._probes.clear()
            self._last_event = now

    def told_nothing(self, began: float) -> None:
        """An attempt that began then has ended in a way that says nothing; if it was a probe, another may follow."""
        if self._probes and self._opened_at is not None and began >= self._opened_at:
            self._probes.pop(0)

    def is_idle(self, now: float) -> bool:
        """Whether nothing is lost by forgetting it."""
        age = now - self._last_event
        if self._opened_at is None:
            return self.failures == 0 or age > self._policy.window_seconds
        return age > 10 * self._policy.open_seconds

    def _open(self, now: float, reason: str) -> None:
        self._opened_at = self._last_event = now
        self.last_failure = reason
        self._probes.clear()

    def _forget_lost_probes(self, now: float) -> None:
        # Its worker may have died of it, or the run may have ended without asking: that must not keep it half open.
        self._probes = [since for since in self._probes if now - since < self._policy.open_seconds]
