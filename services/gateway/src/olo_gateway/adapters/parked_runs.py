"""Hints for parked runs: an instance that announces itself on the bus ends their pauses early.

Only the runs whose last question to the router was asked by this process are known here; the others, and those whose
hint is lost, ask by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

import olo_events
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import NatsBus
from olo_contracts.queues import MODEL_HINT_SIGNAL
from olo_contracts.subjects import pattern_of

_MOST: Final = 10_000
"""Runs that are remembered; further ones wait for their own pauses."""
_AT_ONCE: Final = 8
_REST_SECONDS: Final = 1.0
"""Between two rounds of hints: a fleet that announces itself all at once is one hint."""
_SIGNAL_SECONDS: Final = 2.0


class ParkedRunHints:
    """Remembers the parked runs of this process, and signals them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: set[str] = set()
        self._announced = asyncio.Event()

    def add(self, run_id: str) -> None:
        """See `ports.ParkedRuns`."""
        if len(self._waiting) < _MOST:
            self._waiting.add(run_id)

    def discard(self, run_id: str) -> None:
        """See `ports.ParkedRuns`."""
        self._waiting.discard(run_id)

    async def heard(self, _: str, __: bytes) -> None:
        """An instance has announced itself."""
        if self._waiting:
            self._announced.set()

    async def run(self) -> None:
        """Signals for ever."""
        while True:
            await self._announced.wait()
            self._announced.clear()
            waiting, self._waiting = self._waiting, set()
            at_once = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(self._tell(run_id, at_once) for run_id in waiting))
            await asyncio.sleep(_REST_SECONDS)

    async def _tell(self, run_id: str, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            handle = self._client.get_workflow_handle(run_id)
            try:
                await handle.signal(MODEL_HINT_SIGNAL, rpc_timeout=timedelta(seconds=_SIGNAL_SECONDS))
            except (RPCError, RuntimeError):
                # It has ended, or Temporal is away; then it asks by itself.
                return


@asynccontextmanager
async def parked_run_hints(client: Client, bus: NatsBus, lifetime: Lifetime) -> AsyncIterator[ParkedRunHints]:
    """Hints while entered."""
    hints = ParkedRunHints(client)
    subscription = await bus.subscribe(pattern_of(olo_events.InstanceAnnounced), hints.heard)
    async with background(hints.run(), "parked-run-hints", lifetime):
        try:
            yield hints
        finally:
            await subscription.close()
