"""Callers who hang up: what they have started is cancelled, where nobody may come back for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from olo.gateway.v1.run_pb2 import ChatRequest
from olo_common.logs import logger
from olo_gateway.ports import Runs

_CLOSE_SECONDS: Final = 2.0


class HangUps:
    """Starts runs, and cancels those whose callers hang up.

    Args:
        runs: The durable runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._cancelling: set[asyncio.Task[None]] = set()
        self._starting: dict[str, asyncio.Task[None]] = {}
        """Starts of runs, which go on when their caller hangs up: only what has been started can be cancelled."""

    async def started(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        """Starts a run, also where the caller hangs up meanwhile.

        Raises:
            OloError: As `Runs.start`.
        """
        starting = asyncio.create_task(self._runs.start(run_id, request, fingerprint), name="start-run")
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._starting[run_id] = starting
            starting.add_done_callback(lambda task: self._has_started(run_id, task))
            raise

    @contextlib.contextmanager
    def cancelling(self, run_id: str) -> Iterator[None]:
        """Cancels a run where the caller hangs up within the body."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            task = asyncio.create_task(self._cancel(run_id), name="cancel-run")
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)
            raise

    async def close(self) -> None:
        """Waits a little until the runs of callers who have hung up are cancelled."""
        if self._cancelling:
            await asyncio.wait(self._cancelling, timeout=_CLOSE_SECONDS)

    def _has_started(self, run_id: str, task: asyncio.Task[None]) -> None:
        self._starting.pop(run_id, None)
        if not task.cancelled():
            # Nobody is left who could be told why it has not started.
            task.exception()

    async def _cancel(self, run_id: str) -> None:
        try:
            if (starting := self._starting.get(run_id)) is not None:
                await starting
            await self._runs.cancel(run_id)
        except Exception as error:
            # Its deadline ends the run at the latest.
            logger(__name__).warning("run_not_cancelled", run_id=run_id, error=type(error).__name__)
