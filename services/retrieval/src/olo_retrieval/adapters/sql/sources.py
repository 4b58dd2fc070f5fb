"""Sources in SQL, and the state of their syncs."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import OloError
from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.source_rows import config_values, record_of, source_of
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, ITEMS, SOURCES
from olo_retrieval.errors import CollectionNotFound, SourceExists, SourceNotFound
from olo_retrieval.sources.model import ENDED, Config, Orders, Outcome, Source, SourceRecord, SyncState
from olo_retrieval.types import Collection

_NOTHING_ASKED = ("", *ENDED)
"""States in which no sync is asked for or running; empty: there was none yet."""


class SqlSources:
    """A SourceStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, collection: Collection, source_id: str, config: Config, interval_seconds: float | None
    ) -> SourceRecord:
        """Adds one."""
        now = now_ms()
        values = {
            "uid": uuid.uuid4().hex,
            "tenant": collection.tenant,
            "collection_uid": collection.uid,
            "source_id": source_id,
            **config_values(config),
            "interval_seconds": interval_seconds,
            "created_ms": now,
            "removing": False,
            "keep_documents": False,
            "accept_deletions": False,
            "cursor": "",
            "number": 0,
            "state": "",
            "run": "",
            "updated_ms": now,
            "held_deletions": 0,
            "error": "",
            "error_reason": "",
        }
        try:
            async with self._database.write() as connection:
                found = select(COLLECTIONS.c.uid).where(COLLECTIONS.c.uid == collection.uid)
                if (await connection.execute(found)).first() is None:
                    raise CollectionNotFound(collection.name)
                await connection.execute(insert(SOURCES).values(values))
        except IntegrityError:
            raise SourceExists(source_id) from None
        return await self.get(collection, source_id)

    async def get(self, collection: Collection, source_id: str) -> SourceRecord:
        """One of a collection."""
        query = _named().where(SOURCES.c.collection_uid == collection.uid, SOURCES.c.source_id == source_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise SourceNotFound(source_id)
            return await record_of(connection, row)

    async def page(self, collection: Collection, after: str, limit: int) -> list[SourceRecord]:
        """At most `limit` whose id comes after `after`."""
        query = _named().where(SOURCES.c.collection_uid == collection.uid, SOURCES.c.source_id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(SOURCES.c.source_id).limit(limit))).all()
            return [await record_of(connection, row) for row in rows]

    async def find(self, uid: str) -> Source | None:
        """One by its uid; None: it is gone."""
        async with self._database.read() as connection:
            row = (await connection.execute(_named().where(SOURCES.c.uid == uid))).one_or_none()
            return source_of(row) if row is not None else None

    async def everyone(self, after: str, limit: int) -> list[Source]:
        """At most `limit` of all tenants whose uid comes after `after`."""
        query = _named().where(SOURCES.c.uid > after).order_by(SOURCES.c.uid).limit(limit)
        async with self._database.read() as connection:
            return [source_of(row) for row in await connection.execute(query)]

    async def orders(self, uid: str) -> Orders:
        """What callers have asked of it; one that is gone is to be removed."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(SOURCES).where(SOURCES.c.uid == uid))).one_or_none()
        if row is None:
            return Orders(removing=True)
        return Orders(row.removing, row.keep_documents, row.accept_deletions, row.cursor)

    async def request(self, uid: str, *, accept_deletions: bool) -> bool:
        """Asks for a sync; false where one is asked for or running, which goes on as it is."""
        async with self._database.write() as connection:
            row = await _locked(connection, uid)
            if row is None or row.removing or row.state not in _NOTHING_ASKED:
                return False
            # A deletion that was accepted once is not accepted for ever.
            values = {"accept_deletions": accept_deletions, "run": "", **_begun(row.number + 1, SyncState.REQUESTED)}
            await connection.execute(update(SOURCES).where(SOURCES.c.uid == uid).values(values))
            return True

    async def request_removal(self, uid: str, *, keep_documents: bool) -> None:
        """Asks for the end of the source."""
        values = {"removing": True, "keep_documents": keep_documents, "updated_ms": now_ms()}
        async with self._database.write() as connection:
            await connection.execute(update(SOURCES).where(SOURCES.c.uid == uid).values(values))

    async def begin(self, uid: str, run: str) -> int:
        """Begins the sync that is asked for, or the next one; the same run gets the same number again."""
        async with self._database.write() as connection:
            row = await _locked(connection, uid)
            if row is None:
                return 0
            if row.run == run:
                return int(row.number)
            asked = row.state == SyncState.REQUESTED
            number = row.number if asked else row.number + 1
            values = {"run": run, **_begun(number, SyncState.LISTING)}
            if not asked:
                values["accept_deletions"] = False
            await connection.execute(update(SOURCES).where(SOURCES.c.uid == uid).values(values))
            # Only the last sync counts what it has deleted.
            gone = (ITEMS.c.source_uid == uid) & (ITEMS.c.outcome == Outcome.DELETED.value) & (ITEMS.c.done_in < number)
            await connection.execute(delete(ITEMS).where(gone))
            return int(number)

    async def enter(self, uid: str, number: int, state: SyncState) -> None:
        """Says what the sync does now."""
        values: dict[str, Any] = {"state": state.value, "error": "", "error_reason": ""}
        async with self._database.write() as connection:
            row = await _locked(connection, uid)
            if state is SyncState.INGESTING and row is not None and row.ingesting_since_ms is None:
                values["ingesting_since_ms"] = now_ms()
            if state is SyncState.DELETING:
                values = {"state": state.value}
            await connection.execute(_of(uid, number).values(updated_ms=now_ms(), **values))

    async def note_error(self, uid: str, number: int, error: OloError) -> None:
        """Says why the sync does not get on."""
        values = {"error": error.message, "error_reason": error.reason, "updated_ms": now_ms()}
        async with self._database.write() as connection:
            await connection.execute(_of(uid, number).values(values))

    async def end(self, uid: str, number: int, state: SyncState) -> None:
        """Ends the sync and keeps its counts."""
        async with self._database.write() as connection:
            row = (await connection.execute(_named().where(SOURCES.c.uid == uid))).one_or_none()
            if row is None or row.number != number or row.state in (state.value for state in ENDED):
                return
            sync = (await record_of(connection, row)).sync
            counts = {"listed": sync.listed, **{o.value: n for o, n in sync.outcomes.items()}} if sync else {}
            now = now_ms()
            values = {"state": state.value, "counts": counts, "ended_ms": now, "updated_ms": now}
            await connection.execute(_of(uid, number).values(values))

    async def note_held(self, uid: str, number: int, held: int) -> None:
        """Says how many documents have disappeared and are kept."""
        async with self._database.write() as connection:
            await connection.execute(_of(uid, number).values(held_deletions=held))

    async def waiting(self, older_than_seconds: float, limit: int) -> list[Source]:
        """Sources that have waited so long for a workflow to begin."""
        asked = (SOURCES.c.state == SyncState.REQUESTED.value) | SOURCES.c.removing
        old = SOURCES.c.updated_ms <= now_ms() - int(older_than_seconds * 1000)
        query = _named().where(asked, old).order_by(SOURCES.c.updated_ms).limit(limit)
        async with self._database.read() as connection:
            return [source_of(row) for row in await connection.execute(query)]

    async def forget(self, uid: str) -> None:
        """Deletes the rows of a source; its documents then belong to none."""
        async with self._database.write() as connection:
            row = await _locked(connection, uid)
            if row is None:
                return
            of_it = (DOCUMENTS.c.collection_uid == row.collection_uid) & (DOCUMENTS.c.source_id == row.source_id)
            await connection.execute(update(DOCUMENTS).where(of_it).values(source_id=""))
            await connection.execute(delete(ITEMS).where(ITEMS.c.source_uid == uid))
            await connection.execute(delete(SOURCES).where(SOURCES.c.uid == uid))


def _named() -> Any:
    """Rows of sources with the names of their collections."""
    return select(SOURCES, COLLECTIONS.c.name.label("collection")).join(
        COLLECTIONS, COLLECTIONS.c.uid == SOURCES.c.collection_uid
    )


def _of(uid: str, number: int) -> Any:
    return update(SOURCES).where(SOURCES.c.uid == uid, SOURCES.c.number == number)


def _begun(number: int, state: SyncState) -> dict[str, Any]:
    now = now_ms()
    return {
        "number": number,
        "state": state.value,
        "updated_ms": now,
        "started_ms": now,
        "ingesting_since_ms": None,
        "ended_ms": None,
        "held_deletions": 0,
        "error": "",
        "error_reason": "",
        "counts": None,
    }


async def _locked(connection: AsyncConnection, uid: str) -> Row[Any] | None:
    return (await connection.execute(select(SOURCES).where(SOURCES.c.uid == uid).with_for_update())).one_or_none()
