"""Sources come and go, and are asked to sync."""

from __future__ import annotations

import asyncio

from olo_common.errors import OloError, Unavailable
from olo_common.logs import logger
from olo_retrieval.ports import CollectionStore
from olo_retrieval.sources.model import Config, SourceRecord
from olo_retrieval.sources.ports import Connectors, SourceStore, SyncStarter

_PAGE = 200
_WAITING_AFTER_SECONDS = 10.0
_FAST_RETRY_SECONDS = 1.0


class SourceKeeping:
    """Creates, deletes and starts.

    Args:
        sources: Where sources are kept.
        collections: Finds collections.
        connectors: Says what the operator allows.
        starter: Starts workflows.
    """

    def __init__(
        self, sources: SourceStore, collections: CollectionStore, connectors: Connectors, starter: SyncStarter
    ) -> None:
        self._sources = sources
        self._collections = collections
        self._connectors = connectors
        self._starter = starter

    async def create(
        self, tenant: str, collection_name: str, source_id: str, config: Config, interval_seconds: float | None
    ) -> SourceRecord:
        """Adds a source that can be opened.

        Raises:
            CollectionNotFound: There is no such collection.
            SourceExists: It has a source of this id.
            InvalidField, SourceForbidden, UrlForbidden: It would never be opened.
            Unavailable: Temporal is away; nothing is kept.
        """
        collection = await self._collections.find(tenant, collection_name)
        await self._connectors.check(config)
        record = await self._sources.create(collection, source_id, config, interval_seconds)
        try:
            await self._starter.keep(record.source)
        except Unavailable:
            await self._sources.forget(record.source.uid)
            raise
        return record

    async def sync(self, tenant: str, collection_name: str, source_id: str, *, accept_deletions: bool) -> SourceRecord:
        """Starts a sync, or finds one running; once it has returned, the sync is certain to begin.

        Raises:
            CollectionNotFound, SourceNotFound: There is no such thing.
            Unavailable: Temporal is away; the sync begins when it is back.
        """
        collection = await self._collections.find(tenant, collection_name)
        source = (await self._sources.get(collection, source_id)).source
        asked = await self._sources.request(source.uid, accept_deletions=accept_deletions)
        await self._starter.start(source, after_running=asked)
        return await self._sources.get(collection, source_id)

    async def delete(self, tenant: str, collection_name: str, source_id: str, *, keep_documents: bool) -> None:
        """Begins to delete a source.

        Raises:
            CollectionNotFound, SourceNotFound: There is no such thing.
            Unavailable: Temporal is away; the source is deleted when it is back.
        """
        collection = await self._collections.find(tenant, collection_name)
        source = (await self._sources.get(collection, source_id)).source
        await self._sources.request_removal(source.uid, keep_documents=keep_documents)
        await self._starter.start(source, after_running=True)

    async def tend(self, pause_seconds: float) -> None:
        """Makes the schedules that are missing, then starts for ever what has waited too long for a workflow."""
        kept, pause = False, pause_seconds
        while True:
            try:
                if not kept:
                    await self._keep_schedules()
                    kept = True
                for source in await self._sources.waiting(_WAITING_AFTER_SECONDS, _PAGE):
                    await self._starter.start(source, after_running=False)
                pause = pause_seconds
            except OloError as error:
                logger(__name__).warning("sources_wait", reason=error.reason)
                pause = min(pause_seconds, _FAST_RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def _keep_schedules(self) -> None:
        after = ""
        while page := await self._sources.everyone(after, _PAGE):
            for source in page:
                await self._starter.keep(source)
            after = page[-1].uid
