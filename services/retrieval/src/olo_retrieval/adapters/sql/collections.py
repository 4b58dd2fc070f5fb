"""Collections in SQL."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.mirrors import mirror_of
from olo_retrieval.adapters.sql.plans import collection_of, removal_values
from olo_retrieval.adapters.sql.tables import (
    COLLECTIONS,
    COPIES,
    DOCUMENTS,
    ITEMS,
    MIGRATIONS,
    REMOVALS,
    SOURCES,
    VERSIONS,
)
from olo_retrieval.chunking import DEFAULT, Chunking
from olo_retrieval.errors import CollectionExists, CollectionNotFound
from olo_retrieval.types import Collection, EmbeddingModel


class SqlCollections:
    """A CollectionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant: str, name: str, model: EmbeddingModel, chunking: Chunking = DEFAULT) -> Collection:
        """Makes an empty one."""
        uid = uuid.uuid4().hex
        made = Collection(uid, tenant, name, model, now_ms(), chunking, index_uid=uid)
        values = {
            "uid": made.uid,
            "tenant": tenant,
            "name": name,
            "embedding_model_id": model.model_id,
            "dimension": model.dimension,
            "created_ms": made.created_ms,
            "chunking": asdict(chunking),
            "index_uid": uid,
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(COLLECTIONS).values(values))
        except IntegrityError:
            raise CollectionExists(name) from None
        return made

    async def get(self, tenant: str, name: str) -> Collection:
        """One with its counts."""
        async with self._database.read() as connection:
            return await _one(connection, tenant, name)

    async def find(self, tenant: str, name: str) -> Collection:
        """One without its counts."""
        query = uncounted().where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name == name)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise CollectionNotFound(name)
        return collection_of(row)

    async def page(self, tenant: str, after: str, limit: int) -> list[Collection]:
        """At most `limit` whose name comes after `after`."""
        query = _counted().where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(COLLECTIONS.c.name).limit(limit))
            return [collection_of(row) for row in rows]

    async def everyone(self) -> list[Collection]:
        """All of all tenants."""
        async with self._database.read() as connection:
            return [collection_of(row) for row in await connection.execute(_counted())]

    async def delete(self, tenant: str, name: str) -> None:
        """Deletes the rows and notes the points for removal."""
        async with self._database.write() as connection:
            found = await _one(connection, tenant, name)
            other = await mirror_of(connection, found)
            for index in (found, other):
                if index is not None:
                    await connection.execute(insert(REMOVALS).values(removal_values(index)))
            if other is not None:
                await connection.execute(delete(COPIES).where(COPIES.c.index_uid == other.index_uid))
            for table in (VERSIONS, DOCUMENTS, MIGRATIONS):
                await connection.execute(delete(table).where(table.c.collection_uid == found.uid))
            of_collection = select(SOURCES.c.uid).where(SOURCES.c.collection_uid == found.uid)
            await connection.execute(delete(ITEMS).where(ITEMS.c.source_uid.in_(of_collection)))
            await connection.execute(delete(SOURCES).where(SOURCES.c.collection_uid == found.uid))
            await connection.execute(delete(COLLECTIONS).where(COLLECTIONS.c.uid == found.uid))

    async def set_retriever(self, tenant: str, name: str, retriever: str) -> None:
        """Says how searches find passages that do not say so."""
        statement = update(COLLECTIONS).where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name == name)
        values = {"retriever": retriever, "revision": COLLECTIONS.c.revision + 1}
        async with self._database.write() as connection:
            if not (await connection.execute(statement.values(values))).rowcount:
                raise CollectionNotFound(name)


def uncounted(*more: ColumnElement[Any]) -> Select[Any]:
    """Collections without their counts, with further columns."""
    return select(COLLECTIONS, *more)


async def _one(connection: AsyncConnection, tenant: str, name: str) -> Collection:
    query = _counted().where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise CollectionNotFound(name)
    return collection_of(row)


def _counted() -> Select[Any]:
    documents = (
        select(func.count())
        .select_from(DOCUMENTS)
        .where(DOCUMENTS.c.collection_uid == COLLECTIONS.c.uid, DOCUMENTS.c.deleted.is_(False))
        .scalar_subquery()
    )
    chunks = (
        select(func.coalesce(func.sum(VERSIONS.c.chunk_count), literal(0)))
        .select_from(
            DOCUMENTS.join(
                VERSIONS,
                (VERSIONS.c.collection_uid == DOCUMENTS.c.collection_uid)
                & (VERSIONS.c.document_id == DOCUMENTS.c.document_id)
                & (VERSIONS.c.version == DOCUMENTS.c.served_version),
            )
        )
        .where(DOCUMENTS.c.collection_uid == COLLECTIONS.c.uid)
        .scalar_subquery()
    )
    return select(COLLECTIONS, documents.label("document_count"), chunks.label("chunk_count"))
