"""The documents of sources in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.tables import DOCUMENTS, ITEMS, SOURCES
from olo_retrieval.sources.model import Item, Listed, Listing, Outcome, Settled, Source
from olo_retrieval.sources.naming import document_id_of

_BATCH = 500
_DELETED = Outcome.DELETED.value


class SqlItems:
    """An ItemStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, source: Source, number: int, listing: Listing) -> None:
        """Keeps a listing. What has not changed gets its outcome at once.

        Written in batches, so that nobody waits long; each may be written again. The cursor goes last.
        """
        if not listing.complete:
            await self._carry_over(source.uid, number)
        for start in range(0, len(listing.items), _BATCH):
            async with self._database.write() as connection:
                await _write(connection, source, number, listing.items[start : start + _BATCH])
        async with self._database.write() as connection:
            await connection.execute(_unchanged(source, number))
            if not listing.complete:
                await connection.execute(
                    update(SOURCES).where(SOURCES.c.uid == source.uid).values(cursor=listing.cursor)
                )

    async def pending(self, uid: str, number: int, limit: int) -> list[Item]:
        """Items that the sync has listed and that have no outcome yet."""
        query = (
            select(ITEMS)
            .where(ITEMS.c.source_uid == uid, ITEMS.c.listed_in == number, ITEMS.c.done_in < number)
            .order_by(ITEMS.c.document_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [Item(row.document_id, row.key, row.fingerprint, row.version, row.deleted) for row in rows]

    async def settle(self, uid: str, number: int, item: Item, settled: Settled) -> None:
        """Says what has become of an item."""
        values: dict[str, Any] = {"outcome": settled.outcome.value, "done_in": number, "version": settled.version}
        if settled.outcome is not Outcome.FAILED:
            values["taken"] = "" if settled.outcome is Outcome.DELETED else item.fingerprint
        async with self._database.write() as connection:
            await connection.execute(update(ITEMS).where(_is(uid, item.document_id)).values(values))
            if (error := settled.error) is not None:
                said = {"error": error.message, "error_reason": error.reason, "updated_ms": now_ms()}
                await connection.execute(
                    update(SOURCES).where(SOURCES.c.uid == uid, SOURCES.c.number == number).values(said)
                )

    async def missing(self, uid: str, number: int) -> list[str]:
        """Ids of documents that are there, but that the sync has not listed."""
        return await self._ids(ITEMS.c.source_uid == uid, ITEMS.c.listed_in < number, ITEMS.c.outcome != _DELETED)

    async def known(self, uid: str, number: int) -> int:
        """The number of documents that syncs before this one have listed and that are there."""
        query = select(func.count()).where(
            ITEMS.c.source_uid == uid, ITEMS.c.first_in < number, ITEMS.c.outcome != _DELETED
        )
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def present(self, uid: str) -> list[str]:
        """Ids of all documents of the source that are there."""
        return await self._ids(ITEMS.c.source_uid == uid, ITEMS.c.outcome != _DELETED)

    async def settle_deleted(self, uid: str, number: int, document_id: str) -> None:
        """Says that a document is deleted."""
        values = {"outcome": _DELETED, "done_in": number, "version": 0, "taken": ""}
        async with self._database.write() as connection:
            await connection.execute(update(ITEMS).where(_is(uid, document_id)).values(values))

    async def _ids(self, *conditions: ColumnElement[bool]) -> list[str]:
        query = select(ITEMS.c.document_id).where(*conditions).order_by(ITEMS.c.document_id)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def _carry_over(self, uid: str, number: int) -> None:
        """What a source does not list again is still there; what has failed is tried again."""
        there = (ITEMS.c.source_uid == uid) & (ITEMS.c.outcome != _DELETED)
        async with self._database.write() as connection:
            await connection.execute(update(ITEMS).where(there).values(listed_in=number))


async def _write(connection: AsyncConnection, source: Source, number: int, listed: Sequence[Listed]) -> None:
    by_id = {document_id_of(source.source_id, item.key): item for item in listed}
    query = select(ITEMS.c.document_id).where(ITEMS.c.source_uid == source.uid, ITEMS.c.document_id.in_(list(by_id)))
    known = set((await connection.execute(query)).scalars())
    changes = [
        {"of_id": document_id, "fingerprint": item.fingerprint, "deleted": item.deleted}
        for document_id, item in by_id.items()
        if document_id in known
    ]
    if changes:
        of_id = ITEMS.c.document_id == bindparam("of_id")
        await connection.execute(
            update(ITEMS).where(ITEMS.c.source_uid == source.uid, of_id).values(listed_in=number), changes
        )
    new = [
        {
            "source_uid": source.uid,
            "document_id": document_id,
            "key": item.key,
            "fingerprint": item.fingerprint,
            "taken": "",
            "version": 0,
            "deleted": item.deleted,
            "first_in": number,
            "listed_in": number,
            "done_in": 0,
            "outcome": "",
        }
        for document_id, item in by_id.items()
        if document_id not in known
    ]
    if new:
        await connection.execute(insert(ITEMS), new)


def _unchanged(source: Source, number: int) -> Any:
    """A document that somebody has deleted by hand is no unchanged one: it comes again."""
    there = exists().where(
        DOCUMENTS.c.collection_uid == source.collection_uid,
        DOCUMENTS.c.document_id == ITEMS.c.document_id,
        DOCUMENTS.c.deleted.is_(False),
    )
    same = and_(
        ITEMS.c.source_uid == source.uid,
        ITEMS.c.listed_in == number,
        ITEMS.c.done_in < number,
        ITEMS.c.taken == ITEMS.c.fingerprint,
        ITEMS.c.taken != "",
        ITEMS.c.deleted.is_(False),
        there,
    )
    return update(ITEMS).where(same).values(outcome=Outcome.UNCHANGED.value, done_in=number)


def _is(uid: str, document_id: str) -> ColumnElement[bool]:
    return and_(ITEMS.c.source_uid == uid, ITEMS.c.document_id == document_id)
