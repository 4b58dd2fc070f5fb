"""Local activities of the chat workflow, tried again while a peer is away, and the time that is left for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, TimeoutError, is_cancelled_exception

from olo_common.errors import Unavailable
from olo_common.failures import from_failure
from olo_gateway.errors import DeadlineExceeded

STEP_TIMEOUT: Final = timedelta(seconds=6)
STEPS_TIMEOUT: Final = timedelta(seconds=30)
"""How long the tries of a step may always take together: a peer that is being restarted on a busy machine is back by
then. A run with more time waits for half of what it has left: several peers may be replaced one after the other."""
FIRST_PAUSE: Final = timedelta(milliseconds=200)
LONGEST_PAUSE: Final = timedelta(seconds=2)
"""Between two tries, in runs of minutes."""
MOST_TRIES: Final = 1000
"""Of a step, about: each is some events, of which a history may have 51,200. In runs of hours the pauses are longer."""
STEP_SLOT: Final = timedelta(milliseconds=1)
"""Longer pauses between tries are timers, and these are all pauses: a run that waits for a peer must not hold a slot of
the worker meanwhile, or those whose answers are there already cannot end."""

R = TypeVar("R")


class Deadline:
    """When the run's time is over."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    @property
    def passed(self) -> bool:
        """Whether it is over now."""
        return workflow.now() >= self._at

    @property
    def remaining(self) -> timedelta:
        """The time until then; negative afterwards."""
        return self._at - workflow.now()

    def left(self) -> timedelta:
        """The time until then.

        Raises:
            DeadlineExceeded: There is none.
        """
        left = self.remaining
        if left <= timedelta():
            raise DeadlineExceeded("the run's time is over")
        return left


def time_of_tries(left: timedelta, patience: timedelta | None) -> timedelta:
    """How long the tries of a step may take together, in a run that has `left`."""
    return min(left, max(STEPS_TIMEOUT, left / 2) if patience is None else patience)


def retry_of(together: timedelta) -> RetryPolicy:
    """How a step is tried again whose tries may take so long together."""
    longest = max(LONGEST_PAUSE, together / MOST_TRIES)
    return RetryPolicy(initial_interval=FIRST_PAUSE, maximum_interval=longest, maximum_attempts=0)


async def step(
    name: str,
    arguments: Sequence[Any],
    result_type: type[R],
    deadline: Deadline,
    patience: timedelta | None = None,
) -> R:
    """Runs a local activity.

    Args:
        name: Its name.
        arguments: What it is given.
        result_type: What it returns.
        deadline: The run's.
        patience: How long its tries may take together; unset: half of the run's time, and STEPS_TIMEOUT at least.

    Raises:
        OloError: Why it has failed for good.
    """
    together = time_of_tries(deadline.left(), patience)
    try:
        result: R = await workflow.execute_local_activity(
            name,
            args=arguments,
            result_type=result_type,
            start_to_close_timeout=STEP_TIMEOUT,
            schedule_to_close_timeout=together,
            retry_policy=retry_of(together),
            local_retry_threshold=STEP_SLOT,
        )
    except FailureError as error:
        # Whether Temporal wraps the failure of a local activity depends on how it came about.
        if is_cancelled_exception(error):
            raise
        cause = error.cause if isinstance(error, ActivityError) else error
        if isinstance(cause, TimeoutError) and not deadline.passed:
            raise Unavailable(f"the step {name} was not answered in time", retry_after=1.0) from error
        raise from_failure(error) from error
    return result
