"""Takes documents in: stores the row, then starts the workflow that indexes it."""

from __future__ import annotations

from collections.abc import Sequence

from olo_common.errors import Unavailable
from olo_retrieval.ports import CollectionStore, DocumentStore, IngestStarter, VersionStore
from olo_retrieval.types import Collection, DocumentRecord, Draft, Staging

_NOT_STARTED = "the ingest workflow could not be started"


class Intake:
    """Takes documents in."""

    def __init__(
        self, collections: CollectionStore, documents: DocumentStore, versions: VersionStore, starter: IngestStarter
    ) -> None:
        self._collections = collections
        self._documents = documents
        self._versions = versions
        self._starter = starter

    async def ingest(self, tenant: str, collection_name: str, draft: Draft) -> DocumentRecord:
        """Returns once the indexing is certain to run, or is not needed.

        Raises:
            CollectionNotFound: There is no such collection.
            Unavailable: The workflow could not be started; the row says so.
        """
        return await self._ingest(await self._collections.find(tenant, collection_name), draft)

    async def ingest_all(
        self, tenant: str, collection_name: str, drafts: Sequence[Draft]
    ) -> list[DocumentRecord | Unavailable]:
        """One outcome for each draft. Once Temporal is found to be away, the rest is not tried.

        Raises:
            CollectionNotFound: There is no such collection.
        """
        collection = await self._collections.find(tenant, collection_name)
        outcomes: list[DocumentRecord | Unavailable] = []
        away: Unavailable | None = None
        for draft in drafts:
            if away is None:
                try:
                    outcomes.append(await self._ingest(collection, draft))
                    continue
                except Unavailable as error:
                    away = error
            outcomes.append(away)
        return outcomes

    async def _ingest(self, collection: Collection, draft: Draft) -> DocumentRecord:
        record, staging = await self._documents.stage(collection, draft)
        if staging is Staging.UNCHANGED:
            return record
        try:
            await self._starter.start(record.ref)
        except Unavailable:
            if staging is Staging.NEW:
                await self._versions.mark_failed(collection, draft.document_id, record.ref.version, _NOT_STARTED)
            raise
        return record
