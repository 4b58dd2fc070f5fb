"""What exports and imports need of the world, beside what documents need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from olo_retrieval.portable.records import MovedDocument
from olo_retrieval.types import Collection


class PortableStore(Protocol):
    """Documents as they leave a collection, and collections that nobody sees until they are whole."""

    async def page(self, collection: Collection, after: str, limit: int) -> list[tuple[str, int]]:
        """Document id and size of what is exported, in characters or bytes, by document id."""
        ...

    async def documents(self, collection: Collection, document_ids: Sequence[str]) -> list[MovedDocument]:
        """These documents, by id; one that was deleted meanwhile is left out."""
        ...

    async def begin(self, collection: Collection) -> None:
        """Notes that a collection is being brought in; what is left of it is removed unless it is committed.

        Raises:
            CollectionExists: The tenant has one of this name.
        """
        ...

    async def add(self, collection: Collection, documents: Sequence[MovedDocument]) -> None:
        """Keeps documents of a collection that was begun; those with chunks are served once it is committed.

        Raises:
            ImportMalformed: One of them is there already.
            Unavailable: The collection has been given up because nothing came for an hour.
        """
        ...

    async def not_indexed(self, collection: Collection, document_ids: Sequence[str]) -> None:
        """Says that these documents, of a collection that was begun, are to be indexed."""
        ...

    async def commit(self, collection: Collection) -> None:
        """Lets everybody see the collection. Raises CollectionExists, or Unavailable as `add`."""
        ...

    async def abandon(self, collection: Collection) -> None:
        """Forgets the documents of a collection that was not committed, and notes its points for removal."""
        ...
