"""Collections in SQL."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, ITEMS, REMOVALS, SOURCES, VERSIONS
from olo_retrieval.chunking import DEFAULT, Chunking, Strategy
from olo_retrieval.errors import CollectionExists, CollectionNotFound
from olo_retrieval.types import Collection, EmbeddingModel


class SqlCollections:
    """A CollectionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant: str, name: str, model: EmbeddingModel, chunking: Chunking = DEFAULT) -> Collection:
        """Makes an empty one."""
        made = Collection(uuid.uuid4().hex, tenant, name, model, now_ms(), chunking)
        values = {
            "uid": made.uid,
            "tenant": tenant,
            "name": name,
            "embedding_model_id": model.model_id,
            "dimension": model.dimension,
            "created_ms": made.created_ms,
            "chunking": asdict(chunking),
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
        uncounted = literal(0)
        query = select(COLLECTIONS, uncounted.label("document_count"), uncounted.label("chunk_count"))
        query = query.where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name == name)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise CollectionNotFound(name)
        return _collection(row)

    async def page(self, tenant: str, after: str, limit: int) -> list[Collection]:
        """At most `limit` whose name comes after `after`."""
        query = _counted().where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(COLLECTIONS.c.name).limit(limit))
            return [_collection(row) for row in rows]

    async def everyone(self) -> list[Collection]:
        """All of all tenants."""
        async with self._database.read() as connection:
            return [_collection(row) for row in await connection.execute(_counted())]

    async def delete(self, tenant: str, name: str) -> None:
        """Deletes the rows and notes the points for removal."""
        async with self._database.write() as connection:
            found = await _one(connection, tenant, name)
            for table in (VERSIONS, DOCUMENTS):
                await connection.execute(delete(table).where(table.c.collection_uid == found.uid))
            of_collection = select(SOURCES.c.uid).where(SOURCES.c.collection_uid == found.uid)
            await connection.execute(delete(ITEMS).where(ITEMS.c.source_uid.in_(of_collection)))
            await connection.execute(delete(SOURCES).where(SOURCES.c.collection_uid == found.uid))
            await connection.execute(delete(COLLECTIONS).where(COLLECTIONS.c.uid == found.uid))
            await connection.execute(insert(REMOVALS).values(removal_values(found)))


def removal_values(collection: Collection) -> dict[str, Any]:
    """The row that asks for the removal of all points of a collection."""
    return {
        "tenant": collection.tenant,
        "collection_uid": collection.uid,
        "embedding_model_id": collection.model.model_id,
        "dimension": collection.model.dimension,
    }


async def _one(connection: AsyncConnection, tenant: str, name: str) -> Collection:
    query = _counted().where(COLLECTIONS.c.tenant == tenant, COLLECTIONS.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise CollectionNotFound(name)
    return _collection(row)


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


def _collection(row: Row[Any]) -> Collection:
    model = EmbeddingModel(row.embedding_model_id, row.dimension)
    stored = row.chunking or {}
    chunking = Chunking(**{**stored, "strategy": Strategy(stored["strategy"])}) if stored else DEFAULT
    return Collection(
        row.uid, row.tenant, row.name, model, row.created_ms, chunking, row.document_count, row.chunk_count
    )
