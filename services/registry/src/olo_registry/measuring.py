"""What routers report of their measurements: checked, kept, given back."""

from __future__ import annotations

from collections.abc import Sequence

from olo_registry.measurements.measurement import Measurement
from olo_registry.ports import Clock, MeasurementStore


class Measuring:
    """See the module.

    Args:
        store: Where they are kept.
        clock: Time.
    """

    def __init__(self, store: MeasurementStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def report(self, measurements: Sequence[Measurement]) -> None:
        """Stores them, all or none.

        Raises:
            InvalidField: One cannot be.
            Unavailable: The database does not answer.
        """
        now = self._clock.now()
        for place, each in enumerate(measurements):
            each.check(f"measurements[{place}]", now)
        await self._store.save(measurements, now)

    async def list(self, limit: int) -> list[Measurement]:
        """At most so many, the newest first. Raises Unavailable."""
        return await self._store.list(limit)
