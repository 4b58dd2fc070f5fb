"""What syncing needs of the world."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from olo_common.errors import OloError
from olo_retrieval.sources.model import Config, Content, Item, Listing, Orders, Settled, Source, SourceRecord, SyncState
from olo_retrieval.types import Collection


class Connector(Protocol):
    """One source, opened."""

    async def listing(self, cursor: str) -> Listing:
        """What it has; from the cursor of the last listing on, if it lists what is new alone. Raises OloError."""
        ...

    async def load(self, item: Item) -> Content:
        """The content of what was listed. Raises OloError, which is that of its document."""
        ...


class Connectors(Protocol):
    """Opens sources, within what the operator allows."""

    async def check(self, config: Config) -> None:
        """Raises InvalidField, SourceForbidden or UrlForbidden where the source would never be opened."""
        ...

    def open(self, source: Source) -> AbstractAsyncContextManager[Connector]:
        """The source while the context is entered. Raises as `check`, and SourceAway."""
        ...

    async def forget(self, source: Source) -> None:
        """Removes what is kept on disk for a source."""
        ...


class SourceStore(Protocol):
    """Sources and the state of their syncs."""

    async def create(
        self, collection: Collection, source_id: str, config: Config, interval_seconds: float | None
    ) -> SourceRecord:
        """Adds one. Raises SourceExists, CollectionNotFound."""
        ...

    async def get(self, collection: Collection, source_id: str) -> SourceRecord:
        """One of a collection. Raises SourceNotFound."""
        ...

    async def page(self, collection: Collection, after: str, limit: int) -> list[SourceRecord]:
        """At most `limit` whose id comes after `after`."""
        ...

    async def find(self, uid: str) -> Source | None:
        """One by its uid; None: it is gone."""
        ...

    async def everyone(self, after: str, limit: int) -> list[Source]:
        """At most `limit` of all tenants whose uid comes after `after`."""
        ...

    async def orders(self, uid: str) -> Orders:
        """What callers have asked of it."""
        ...

    async def request(self, uid: str, *, accept_deletions: bool) -> bool:
        """Asks for a sync; false where one is asked for or running, which goes on as it is."""
        ...

    async def request_removal(self, uid: str, *, keep_documents: bool) -> None:
        """Asks for the end of the source."""
        ...

    async def begin(self, uid: str, run: str) -> int:
        """Begins the sync that is asked for, or the next one; the same run gets the same number again."""
        ...

    async def enter(self, uid: str, number: int, state: SyncState) -> None:
        """Says what the sync does now."""
        ...

    async def note_error(self, uid: str, number: int, error: OloError) -> None:
        """Says why the sync does not get on."""
        ...

    async def end(self, uid: str, number: int, state: SyncState) -> None:
        """Ends the sync and keeps its counts."""
        ...

    async def note_held(self, uid: str, number: int, held: int) -> None:
        """Says how many documents have disappeared and are kept."""
        ...

    async def waiting(self, older_than_seconds: float, limit: int) -> list[Source]:
        """Sources that have waited so long for a workflow to begin."""
        ...

    async def forget(self, uid: str) -> None:
        """Deletes the rows of a source; its documents then belong to none."""
        ...


class ItemStore(Protocol):
    """The documents of a source, as it knows them."""

    async def record(self, source: Source, number: int, listing: Listing) -> None:
        """Keeps a listing and its cursor, in one transaction. What has not changed gets its outcome at once."""
        ...

    async def pending(self, uid: str, number: int, limit: int) -> list[Item]:
        """Items that the sync has listed and that have no outcome yet."""
        ...

    async def settle(self, uid: str, number: int, item: Item, settled: Settled) -> None:
        """Says what has become of an item. A failed one is tried again by the next sync that lists it."""
        ...

    async def missing(self, uid: str, number: int) -> list[str]:
        """Ids of documents that are there, but that the sync has not listed."""
        ...

    async def known(self, uid: str, number: int) -> int:
        """The number of documents that syncs before this one have listed and that are there."""
        ...

    async def present(self, uid: str) -> list[str]:
        """Ids of all documents of the source that are there."""
        ...

    async def settle_deleted(self, uid: str, number: int, document_id: str) -> None:
        """Says that a document is deleted."""
        ...


class SyncStarter(Protocol):
    """Starts the durable workflow that syncs a source, now and at its interval."""

    async def keep(self, source: Source) -> None:
        """Makes its schedule; one that is there is encrypted with the key of now. Raises Unavailable."""
        ...

    async def start(self, source: Source, *, after_running: bool) -> None:
        """Starts it now; where it runs, `after_running` starts it once more afterwards. Raises Unavailable."""
        ...

    async def drop(self, source_workflow_id: str) -> None:
        """Ends its schedule; none is no error. Raises Unavailable."""
        ...
