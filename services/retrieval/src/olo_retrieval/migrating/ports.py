"""What migrations need of the world, beside what documents need."""

from __future__ import annotations

from typing import Protocol

from olo_common.errors import OloError
from olo_retrieval.chunking import Chunking
from olo_retrieval.migrating.records import Comparison, Migration, MigrationRef
from olo_retrieval.types import Collection, EmbeddingModel


class MigrationStore(Protocol):
    """Migrations, and which versions the index that is not served holds (copies)."""

    async def open(
        self, collection: Collection, model: EmbeddingModel, chunking: Chunking, min_overlap: float
    ) -> Migration:
        """Notes a migration to a new index. Raises CollectionNotFound, MigrationOpen."""
        ...

    async def get(self, collection: Collection, migration_id: str) -> Migration:
        """One with its counts; an empty id means the newest. Raises MigrationNotFound."""
        ...

    async def page(self, collection: Collection, before: str, limit: int) -> list[Migration]:
        """At most `limit`, newest first, older than `before`; empty: all."""
        ...

    async def moving(self, ref: MigrationRef) -> Migration | None:
        """One without its counts, if there is still work to do."""
        ...

    async def all_moving(self, limit: int) -> list[MigrationRef]:
        """Those that a workflow should be at work on."""
        ...

    async def mirror(self, collection: Collection) -> Collection | None:
        """The collection with the index beside the served one, where there are two."""
        ...

    async def missing(self, migration: Migration, after: str, limit: int) -> list[tuple[str, int]]:
        """Served documents, with their versions, that have no copy, by document id."""
        ...

    async def copies(self, migration: Migration, after: str, limit: int) -> list[tuple[str, int, int]]:
        """Document id, version and number of chunks of the copies of served versions, by document id."""
        ...

    async def note_copy(self, other: Collection, document_id: str, version: int, chunks: int) -> bool:
        """Says that a version is wholly in the other index; false where nobody wants it there any more."""
        ...

    async def forget_copies(
        self, other: Collection, document_id: str, *, version: int | None = None, below: int | None = None
    ) -> None:
        """Says that the version, or all below one, are not in the other index."""
        ...

    async def verifying(self, ref: MigrationRef) -> None:
        """Says that all is copied, where copying is what it did."""
        ...

    async def note_comparison(self, ref: MigrationRef, comparison: Comparison) -> None:
        """Keeps what the sampled searches have said."""
        ...

    async def switch(self, ref: MigrationRef) -> bool:
        """Lets searches see the other index, in one transaction; false where a served version has no copy in it.

        Where that was the way back, the new index is noted for removal.
        """
        ...

    async def give_up(self, ref: MigrationRef, error: OloError | None) -> Migration:
        """Ends what is being built, or takes the way back.

        Without an error, as the operator wishes: a migration that builds is ROLLED_BACK at once, one that serves is
        ROLLING_BACK, one that is ROLLED_BACK is left. With one, because it cannot go on: FAILED, or SERVING again where
        the way back was it.

        Raises:
            MigrationNotFound: There is none.
            MigrationStateWrong: It has ended.
        """
        ...

    async def finish(self, ref: MigrationRef) -> Migration:
        """Ends one that serves, and notes the old index for removal; one that is FINISHED is left.

        Raises:
            MigrationNotFound: There is none.
            MigrationStateWrong: It does not serve.
        """
        ...


class MigrationStarter(Protocol):
    """Starts the durable workflow that moves a migration."""

    async def start_migration(self, ref: MigrationRef) -> None:
        """Starts it, or finds it running. Raises Unavailable."""
        ...
