"""Collections and documents come and go."""

from __future__ import annotations

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.chunking import DEFAULT, Chunking
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.ports import CollectionStore, DocumentStore, Embedder, VectorStore, VersionStore
from olo_retrieval.types import Collection


class Curation:
    """Creates and deletes. Rows go first, so that nothing deleted is ever found; points follow."""

    def __init__(
        self,
        collections: CollectionStore,
        documents: DocumentStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
    ) -> None:
        self._collections = collections
        self._documents = documents
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder

    async def create_collection(
        self, tenant: str, name: str, model_id: str, chunking: Chunking = DEFAULT
    ) -> Collection:
        """Makes an empty collection; an empty model id takes the default embedding model."""
        return await self._collections.create(tenant, name, await self._embedder.choose(model_id), chunking)

    async def delete_collection(self, tenant: str, name: str) -> None:
        """Deletes a collection with its documents."""
        await self._collections.delete(tenant, name)
        await self._remove_points()

    async def delete_document(self, tenant: str, collection: str, document_id: str) -> None:
        """Deletes a document with its passages."""
        await self._documents.delete(await self._collections.find(tenant, collection), document_id)
        await self._remove_points()

    async def _remove_points(self) -> None:
        try:
            await remove_points(self._versions, self._vectors)
        except OloError as error:
            # The removals stay noted, and upkeep tries again.
            logger(__name__).warning("points_not_removed_yet", reason=error.reason)
