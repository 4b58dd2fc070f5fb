"""When silence is evidence: only while everything that was said could have been heard."""

from __future__ import annotations


class Attention:
    """Tells an owner of leases whether the silence since its last check may be held against anybody.

    It may not where the bus was away, nor where this process itself stood still (stopped, suspended, starved): the
    heartbeats of that time are lost or still waiting to be read.

    Args:
        longest_gap: Seconds between two checks above which this process must have stood still.
    """

    def __init__(self, longest_gap: float) -> None:
        self._longest_gap = longest_gap
        self._last_check: float | None = None
        self._heard = False

    def unbroken(self, now: float, connected: bool) -> bool:
        """Whether we could hear from the last check until now. False on the first check."""
        prompt = self._last_check is not None and now - self._last_check <= self._longest_gap
        unbroken = prompt and self._heard and connected
        self._last_check, self._heard = now, connected
        return unbroken
