"""The steps of a sync. Each may be repeated from its beginning, and goes on where the last attempt has stopped."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.errors import CollectionNotFound
from olo_retrieval.ports import CollectionStore
from olo_retrieval.sources.ingesting import SourceIngest
from olo_retrieval.sources.missing import believed
from olo_retrieval.sources.model import Item, Source, SyncState
from olo_retrieval.sources.ports import Connector, Connectors, ItemStore, SourceStore, SyncStarter
from olo_retrieval.types import Collection

_PAGE = 64


class Syncer:
    """Begin, list, ingest, delete what has disappeared, end; or remove the source.

    Args:
        sources: Sources and the state of their syncs.
        items: Their documents.
        collections: Finds collections.
        connectors: Opens sources.
        ingest: Takes documents in.
        starter: Keeps schedules.
        concurrency: Documents of one source that are ingested at the same time.
    """

    def __init__(
        self,
        sources: SourceStore,
        items: ItemStore,
        collections: CollectionStore,
        *,
        connectors: Connectors,
        ingest: SourceIngest,
        starter: SyncStarter,
        concurrency: int,
    ) -> None:
        self._sources = sources
        self._items = items
        self._collections = collections
        self._connectors = connectors
        self._ingest = ingest
        self._starter = starter
        self._concurrency = concurrency

    async def begin(self, uid: str, run: str, workflow_id: str) -> tuple[int, bool]:
        """The number of the sync that this run does, and whether the source is to be removed instead; 0: it is gone.

        Args:
            uid: Of the source.
            run: The same in each attempt of one workflow.
            workflow_id: Of the source; the schedule of one that is gone is dropped.
        """
        if await self._sources.find(uid) is None:
            await self._starter.drop(workflow_id)
            return 0, False
        number = await self._sources.begin(uid, run)
        return number, (await self._sources.orders(uid)).removing

    async def list(self, uid: str, number: int) -> None:
        """Keeps what the source has. Raises what the source does."""
        source = await self._sources.find(uid)
        if source is None:
            return
        await self._sources.enter(uid, number, SyncState.LISTING)
        try:
            async with self._connectors.open(source) as connector:
                listing = await connector.listing((await self._sources.orders(uid)).cursor)
        except OloError as error:
            await self._sources.note_error(uid, number, error)
            raise
        await self._items.record(source, number, listing)

    async def ingest(self, uid: str, number: int) -> None:
        """Ingests what has changed; an error of one document does not stop the others."""
        source = await self._sources.find(uid)
        if source is None:
            return
        await self._sources.enter(uid, number, SyncState.INGESTING)
        try:
            collection = await self._collections.find(source.tenant, source.collection)
            if await self._items.pending(uid, number, 1):
                async with self._connectors.open(source) as connector:
                    await self._ingest_pending(source, collection, connector, number)
        except CollectionNotFound:
            logger(__name__).info("sync_without_collection", source_id=source.source_id)
        except OloError as error:
            await self._sources.note_error(uid, number, error)
            raise

    async def delete_missing(self, uid: str, number: int) -> None:
        """Deletes the documents that have disappeared, if that is believed."""
        source = await self._sources.find(uid)
        if source is None:
            return
        missing = await self._items.missing(uid, number)
        if not missing:
            return
        orders = await self._sources.orders(uid)
        known = await self._items.known(uid, number)
        if not believed(len(missing), known, accepted=orders.accept_deletions):
            await self._sources.note_held(uid, number, len(missing))
            return
        await self._sources.enter(uid, number, SyncState.DELETING)
        await self._delete(source, number, missing)

    async def end(self, uid: str, number: int, state: SyncState) -> None:
        """Ends the sync."""
        await self._sources.end(uid, number, state)

    async def remove(self, uid: str, number: int) -> None:
        """Deletes the source, its schedule and, unless told otherwise, its documents."""
        source = await self._sources.find(uid)
        if source is None:
            return
        if not (await self._sources.orders(uid)).keep_documents:
            await self._delete(source, number, await self._items.present(uid))
        await self._connectors.forget(source)
        await self._starter.drop(source.workflow_id)
        await self._sources.forget(uid)

    async def _ingest_pending(self, source: Source, collection: Collection, connector: Connector, number: int) -> None:
        while items := await self._items.pending(source.uid, number, _PAGE):
            if (await self._sources.orders(source.uid)).removing:
                return
            waiting = deque(items)
            ends = await asyncio.gather(
                *(self._work(source, collection, connector, number, waiting) for _ in range(self._concurrency)),
                return_exceptions=True,
            )
            for end in ends:
                if end is not None:
                    raise end

    async def _work(
        self, source: Source, collection: Collection, connector: Connector, number: int, waiting: deque[Item]
    ) -> None:
        """Settles items until there are none. One that fails ends the others after the item that they are at."""
        while waiting:
            try:
                await self._settle(source, collection, connector, number, waiting.popleft())
            except BaseException:
                waiting.clear()
                raise

    async def _settle(
        self, source: Source, collection: Collection, connector: Connector, number: int, item: Item
    ) -> None:
        settled = await self._ingest.settle(source, collection, connector, item)
        await self._items.settle(source.uid, number, item, settled)

    async def _delete(self, source: Source, number: int, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            try:
                await self._ingest.delete(source, document_id)
            except CollectionNotFound:
                return
            await self._items.settle_deleted(source.uid, number, document_id)
