"""How urgent a request is, and which part of the limit that opens to it."""

from __future__ import annotations

from enum import Enum


class Priority(Enum):
    """The value is the priority key of Temporal's task queues: 1 goes first, 3 is the middle, 5 goes last."""

    INTERACTIVE = 1
    """Somebody waits at a screen."""
    NORMAL = 3
    BATCH = 5
    """Whenever there is room."""

    @property
    def share(self) -> float:
        """The part of the limit up to which this priority is let in; what is above is kept for the more urgent."""
        return _SHARES[self]


_SHARES = {Priority.INTERACTIVE: 1.0, Priority.NORMAL: 0.9, Priority.BATCH: 0.5}
