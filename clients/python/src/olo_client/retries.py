"""When a failed call is made again, and after which pause."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from olo_client.errors import NOT_REACHABLE, ExhaustedError, OloError, UnavailableError
from olo_contracts.metadata import NEW_REQUEST

# Other reasons of UNAVAILABLE, such as no_model_available, are not expected to pass in a moment.
_PASSING_REASONS = {NOT_REACHABLE, "dependency_unavailable", "unavailable", "gateway_stopping"}
_OVERLOADED = "overloaded"


@dataclass
class Retries:
    """The attempts that one call has left.

    What failed with UNAVAILABLE in passing is tried again, and what was refused for overload at the moment for which it
    was told to come back. A run that has failed stays failed, and is followed by another one only where that is wanted.

    Args:
        attempts: Tries in all, the first one included.
        timeout: Seconds for all tries together.
        reruns: Whether a run that has failed, for a reason that may pass, is followed by another one.
        new: Whether nobody has used the id of the request before.
        first_pause: Seconds before the second try; each further pause is twice as long.
        longest_pause: Seconds that no pause grows beyond: a gateway that is back should not be kept waiting.
        clock: Monotonic seconds.
    """

    attempts: int
    timeout: float
    reruns: bool = False
    new: bool = False
    first_pause: float = 0.2
    longest_pause: float = 3.0
    clock: Callable[[], float] = time.monotonic
    _tried: int = field(default=0, init=False)
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = self.clock() + self.timeout

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What the next try says beside its request: whether none before it can have been accepted."""
        return ((NEW_REQUEST, "true"),) if self.new else ()

    @property
    def time_left(self) -> float:
        """Seconds until the deadline of the call; never negative."""
        return max(0.0, self._deadline - self.clock())

    def progress(self) -> None:
        """Says that the call has come further: the tries are counted anew."""
        self._tried, self.new = 0, False

    def pause_after(self, error: OloError) -> float:
        """Seconds to wait before the next try.

        Raises:
            OloError: `error` itself, where there is no next try.
        """
        self._tried += 1
        self.new &= _refused(error)
        if not self._passes(error):
            raise error
        growing = min(self.first_pause * 2.0 ** (self._tried - 1), self.longest_pause)
        pause: float = growing * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
        pause = max(pause, error.retry_after or 0.0)
        if self._tried >= self.attempts or pause >= self.time_left:
            raise error
        return pause

    def _passes(self, error: OloError) -> bool:
        if error.run_failed:
            return self.reruns and isinstance(error, UnavailableError | ExhaustedError)
        if isinstance(error, ExhaustedError):
            return _refused(error) and error.retry_after is not None
        return isinstance(error, UnavailableError) and error.reason in _PASSING_REASONS


def _refused(error: OloError) -> bool:
    """Whether the call was not let in."""
    return isinstance(error, ExhaustedError) and error.reason == _OVERLOADED
