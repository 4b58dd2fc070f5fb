"""Brings the vector store back to what the document store says is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.ports import CollectionStore, VectorStore, VersionStore
from olo_retrieval.types import Collection

_PAGE = 200
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


class Recovery:
    """Finds collections whose points are missing and indexes their served versions again."""

    def __init__(
        self, collections: CollectionStore, versions: VersionStore, vectors: VectorStore, indexer: Indexer
    ) -> None:
        self._collections = collections
        self._versions = versions
        self._vectors = vectors
        self._indexer = indexer
        self._waiting: set[str] | None = None

    def complete(self, collection_uid: str) -> bool:
        """Whether the points of a collection are known to be there."""
        return self._waiting is not None and collection_uid not in self._waiting

    async def lost(self) -> bool:
        """Whether a space is empty although documents of it are served."""
        for collection in await self._collections.everyone():
            if collection.chunk_count and await self._vectors.is_empty(collection.model):
                return True
        return False

    async def run(self) -> None:
        """Checks every collection and repairs it. Waits for the embedding model as long as it takes."""
        collections = await self._collections.everyone()
        self._waiting = {collection.uid for collection in collections}
        for collection in collections:
            if await self._vectors.count(collection.model, collection.points()) < collection.chunk_count:
                await self._rebuild(collection)
            self._waiting.discard(collection.uid)

    async def _rebuild(self, collection: Collection) -> None:
        log = logger(__name__).bind(tenant=collection.tenant, collection=collection.name)
        log.info("index_rebuild_started", documents=collection.document_count, chunks=collection.chunk_count)
        done = 0
        async for document_id, version, chunks in self._served(collection):
            scope = collection.points(document_id, version)
            if await self._vectors.count(collection.model, scope) == chunks:
                continue
            await self._reindex(collection, document_id, version)
            done += 1
            if done % 50 == 0:
                log.info("index_rebuild_progress", documents=done)
        log.info("index_rebuild_finished", documents=done)

    async def _served(self, collection: Collection) -> AsyncIterator[tuple[str, int, int]]:
        after = ""
        while page := await self._versions.served(collection, after, _PAGE):
            for item in page:
                yield item
            after = page[-1][0]

    async def _reindex(self, collection: Collection, document_id: str, version: int) -> None:
        log = logger(__name__).bind(tenant=collection.tenant, collection=collection.name, document_id=document_id)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._indexer.write(collection, document_id, version, _ignore)
                return
            except OloError as error:
                if not error.retryable:
                    log.error("document_not_recovered", reason=error.reason)
                    return
                log.warning("index_rebuild_waits", reason=error.reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _ignore(_: int) -> None:
    """Nobody waits for the progress of one document."""
