"""Health that is derived from watched conditions, never asserted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

LIVE: Final = "live"
"""A name that is SERVING from the start to the drain, whatever is missing: for who would restart the process, which
does not help against what is missing."""

_STATUS = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}


class Health:
    """Serves `grpc.health.v1` for "" and each service name: SERVING while every condition holds.

    Args:
        conditions: Names of what must hold; each starts as not holding.
    """

    def __init__(self, conditions: Iterable[str] = ()) -> None:
        self.servicer = health_aio.HealthServicer()
        self._conditions = dict.fromkeys(conditions, False)
        self._names: list[str] = [""]
        self._serving = asyncio.Event()
        self._draining = False

    @property
    def missing(self) -> list[str]:
        """The conditions that do not hold."""
        return [name for name, holds in self._conditions.items() if not holds]

    @property
    def serving(self) -> bool:
        """Whether every condition holds and nothing is draining."""
        return self._serving.is_set()

    async def cover(self, names: Iterable[str]) -> None:
        """Begins to serve these service names."""
        self._names += names
        await self.servicer.set(LIVE, _STATUS[True])
        await self._publish()

    async def set(self, condition: str, holds: bool) -> None:
        """Says whether a condition holds."""
        if self._conditions.get(condition) != holds:
            self._conditions[condition] = holds
            await self._publish()

    async def wait_serving(self) -> None:
        """Waits until every condition holds."""
        await self._serving.wait()

    async def drain(self) -> None:
        """NOT_SERVING from now on, whatever happens."""
        self._draining = True
        self._serving.clear()
        await self.servicer.enter_graceful_shutdown()

    async def _publish(self) -> None:
        if self._draining:
            return
        serving = not self.missing
        for name in self._names:
            await self.servicer.set(name, _STATUS[serving])
        if serving:
            self._serving.set()
        else:
            self._serving.clear()
