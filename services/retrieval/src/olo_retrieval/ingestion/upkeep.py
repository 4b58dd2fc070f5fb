"""What retrieval does all the time so that nothing stays half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.ingestion.recovery import Recovery
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.ports import IngestStarter, VectorStore, VersionStore

_UNFINISHED_AFTER_SECONDS = 10.0
_RESTARTS = 100
_FAST_RETRY_SECONDS = 1.0

Report = Callable[[bool], Awaitable[None]]


class Upkeep:
    """Rebuilds a lost index, removes orphaned points, starts again what has lost its workflow: ingests and migrations.

    Args:
        recovery: Rebuilds the index.
        versions: The versions.
        vectors: The points.
        starter: Starts ingests.
        restart_migrations: Starts the workflow of each migration that has work left.
        report: Is told whether the index is complete.
        interval_seconds: Time between two rounds.
    """

    def __init__(
        self,
        *,
        recovery: Recovery,
        versions: VersionStore,
        vectors: VectorStore,
        starter: IngestStarter,
        restart_migrations: Callable[[], Awaitable[None]],
        report: Report,
        interval_seconds: float,
    ) -> None:
        self._recovery = recovery
        self._versions = versions
        self._vectors = vectors
        self._starter = starter
        self._restart_migrations = restart_migrations
        self._report = report
        self._interval_seconds = interval_seconds
        self._checked = False

    async def run(self) -> None:
        """Does its rounds for ever; what fails is tried in the next one."""
        started = False
        while True:
            pause = self._interval_seconds
            try:
                await self.tend_index()
                if not started:
                    # Whatever was indexing when the last process ended is taken up at once.
                    await self.restart_unfinished(0.0)
                    started = True
                else:
                    await self.restart_unfinished(_UNFINISHED_AFTER_SECONDS)
                await self._restart_migrations()
            except OloError as error:
                logger(__name__).warning("upkeep_failed", reason=error.reason)
                pause = min(pause, _FAST_RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def tend_index(self) -> None:
        """Makes sure that the vector store holds what is served, and nothing that is deleted."""
        try:
            if not self._checked or await self._recovery.lost():
                self._checked = False
                await self._report(False)
                await self._recovery.run()
                self._checked = True
            await remove_points(self._versions, self._vectors)
        except OloError:
            await self._report(False)
            raise
        await self._report(True)

    async def restart_unfinished(self, older_than_seconds: float) -> None:
        """Starts the workflow of each version that has been indexing for so long; one that runs is left alone."""
        for ref in await self._versions.unfinished(older_than_seconds, _RESTARTS):
            await self._starter.start(ref)
