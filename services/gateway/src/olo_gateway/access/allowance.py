"""How much the bearer of a key may ask for: calls and tokens in a minute, and answers at once. In this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from olo_common.errors import ErrorCode, OloError
from olo_gateway.access.errors import RateLimited

_MINUTE: Final = 60.0
_BUSY_SECONDS: Final = 1.0
"""When to come back where too many answers are under way: nobody knows when one ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key allows; None: any number."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


class Bucket:
    """A token bucket: holds what a minute brings, and fills as evenly. Starts full.

    Args:
        per_minute: How much.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._seen = clock()

    @property
    def level(self) -> float:
        """How much is in it; below 0 where more was taken than it had."""
        now = self._clock()
        self._level = min(self.per_minute, self._level + (now - self._seen) * self.per_minute / _MINUTE)
        self._seen = now
        return self._level

    def wait(self, amount: float) -> float:
        """Seconds until it holds this much, or is full where it never will; 0: it does now."""
        missing = min(amount, self.per_minute) - self.level
        return max(0.0, missing * _MINUTE / self.per_minute)

    def take(self, amount: float) -> None:
        """Takes this much, more than there is where need be; less than nothing puts it back."""
        self._level = min(self.per_minute, self.level - amount)

    @property
    def until_full(self) -> float:
        """Seconds until it is full."""
        return (self.per_minute - self.level) * _MINUTE / self.per_minute


class Bill:
    """What an answer costs. Unless somebody says, what was expected of it."""

    def __init__(self, expected: int) -> None:
        self.tokens = expected
        self.settled = False

    def settle(self, tokens: int) -> None:
        """Notes what it has really cost."""
        self.tokens = tokens
        self.settled = True


class Allowance:
    """What one key may still ask for.

    Args:
        limits: How much altogether.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.requests = _bucket(limits.requests_per_minute, clock)
        self.tokens = _bucket(limits.tokens_per_minute, clock)
        self._under_way = 0

    def call(self) -> None:
        """Takes one call.

        Raises:
            RateLimited: There were too many in the last minute; it says when the next one may come.
        """
        if self.requests is None:
            return
        if (wait := self.requests.wait(1)) > 0:
            raise RateLimited("this key allows no more calls now", "requests", wait)
        self.requests.take(1)

    @contextmanager
    def answer(self, expected: int) -> Iterator[Bill]:
        """Takes one answer, and when it has ended what it has cost; one that fails, nothing, unless it was not read.

        Args:
            expected: Tokens that it may cost; what counts where its caller leaves before anybody knows.

        Raises:
            RateLimited: Too many are under way, or too many tokens were used in the last minute.
        """
        if self.limits.concurrency is not None and self._under_way >= self.limits.concurrency:
            raise RateLimited("this key allows no more answers at once", "concurrency", _BUSY_SECONDS)
        if self.tokens is not None:
            if (wait := self.tokens.wait(expected)) > 0:
                raise RateLimited("this key allows no more tokens now", "tokens", wait)
            self.tokens.take(expected)
        self._under_way += 1
        bill = Bill(expected)
        try:
            yield bill
        except OloError as error:
            if not bill.settled and error.code is not ErrorCode.CANCELLED:
                bill.settle(0)
            raise
        finally:
            self._under_way -= 1
            if self.tokens is not None:
                self.tokens.take(bill.tokens - expected)


def _bucket(per_minute: int | None, clock: Callable[[], float]) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, clock)
