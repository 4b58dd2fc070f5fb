"""What the log says of calls that end with an error."""

from __future__ import annotations

import time
from collections.abc import Callable

from olo_common.errors import ErrorCode, OloError
from olo_common.logs import logger
from olo_common.occasional_log import OccasionalWarning


class FailedCalls:
    """Writes a line for each call that has failed; one in a while for those that were too many.

    Under overload thousands are turned away, on the cores that answer the others: a line takes as long as a fifth of
    all the rest of a refusal. Metrics count them.

    Args:
        event: What a line is called.
        clock: Monotonic seconds.
    """

    def __init__(self, event: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._turned_away = OccasionalWarning("calls_turned_away", clock=clock)

    def tell(self, error: OloError) -> None:
        """Says that a call has ended so."""
        if error.code is ErrorCode.RESOURCE_EXHAUSTED:
            self._turned_away(reason=error.reason)
        else:
            logger(__name__).info(self._event, code=error.code.name, reason=error.reason)
