"""Who has how much in flight, and what each may have while others are there."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final

_ACTIVE_SECONDS: Final = 10.0
_MAX_TENANTS: Final = 4096


class Tenants:
    """Counts runs by tenant. A tenant is active while it has some in flight, or has asked a moment ago."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._asked: OrderedDict[str, float] = OrderedDict()

    def asked(self, tenant: str, now: float) -> None:
        """Notes that a tenant wants something."""
        self._asked[tenant] = now
        self._asked.move_to_end(tenant)
        while len(self._asked) > _MAX_TENANTS or next(iter(self._asked.values())) < now - _ACTIVE_SECONDS:
            self._asked.popitem(last=False)

    def took(self, tenant: str) -> None:
        """Notes a run that begins."""
        self._in_flight[tenant] += 1

    def gave_back(self, tenant: str) -> None:
        """Notes a run that has ended."""
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]

    def kept_from(self, tenant: str, places: int) -> int:
        """How many of the places are kept for others.

        A tenant within its equal share may take any free place. One beyond it leaves a place free for each other tenant
        that is active, half of all at most: alone it may have everything, and who comes along finds room.
        """
        others = len((self._asked.keys() | self._in_flight.keys()) - {tenant})
        if self._in_flight[tenant] < places / (others + 1):
            return 0
        return min(others, places // 2)
