"""Parking: a run whose caller can wait outlasts the time without a model, in a timer that costs nobody anything.

It asks the router again after growing pauses. A hint that an instance has announced itself ends a pause early; a hint
that is lost, or the death of every process, costs no more than the rest of the pause.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Final

from temporalio import workflow

from olo.gateway.v1.run_pb2 import ChatRequest
from olo_common.errors import OloError, Unavailable
from olo_gateway.runs.attempts import NOBODY_THERE
from olo_gateway.runs.patience import Patience
from olo_gateway.workflows.record import Record, add
from olo_gateway.workflows.steps import Deadline

_LAST_QUESTION: Final = timedelta(seconds=1)
"""A run that is parked until its deadline asks this much before it, so that it ends with the reason and not with the
deadline."""
_LONG_HISTORY: Final = 5_000
"""Events after which a run takes no more hints: its own pauses alone grow too long to fill a history."""


class Parking:
    """The waiting of one run."""

    def __init__(self, request: ChatRequest, record: Record, deadline: Deadline) -> None:
        self._longest = request.wait_for_model.ToTimedelta()
        self._record = record
        self._deadline = deadline
        self._patience = Patience()
        self._hinted = False
        self._counted_until = workflow.now()

    def hint(self) -> None:
        """A model may be there now."""
        self._hinted = True

    @property
    def takes_hints(self) -> bool:
        """Whether somebody who hears of a new instance should tell this run."""
        return bool(self._longest) and workflow.info().get_current_history_length() < _LONG_HISTORY

    async def outlast(self, failure: OloError) -> None:
        """Waits until it is worth asking for a model again.

        Raises:
            OloError: The failure, where waiting does not help or has helped nothing.
        """
        if self._record.parked:
            self._count()
        waited = self._record.response.timings.parked.ToTimedelta()
        left = min(self._longest - waited, self._deadline.remaining - _LAST_QUESTION)
        passes = failure.reason in NOBODY_THERE or (self._record.parked and failure.reason == Unavailable.reason)
        if not passes or left <= timedelta():
            raise failure
        self._record.park(left)
        self._counted_until = workflow.now()
        pause = self._patience.pause(waited.total_seconds(), left.total_seconds())
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._hinted, timeout=timedelta(seconds=pause))
            self._hinted = False
            self._patience.hurry()
        self._count()

    def _count(self) -> None:
        now = workflow.now()
        add(self._record.response.timings.parked, now - self._counted_until)
        self._counted_until = now
