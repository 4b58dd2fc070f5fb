"""Migrations as other tables see them: which second index a collection has, and what is in it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, exists, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.plans import chunking_of, collection_of, removal_of_index, removal_values
from olo_retrieval.adapters.sql.tables import COLLECTIONS, COPIES, DOCUMENTS, MIGRATIONS, REMOVALS, VERSIONS
from olo_retrieval.errors import CollectionNotFound
from olo_retrieval.migrating.records import IndexPlan, with_index
from olo_retrieval.types import Collection, EmbeddingModel

_LATE_MS: Final = 3_600_000
"""After this no attempt writes any more that had begun when an index was given up."""


async def current(connection: AsyncConnection, collection: Collection) -> Collection:
    """The collection as it is now and until the transaction ends. Whoever locks its row locks that one first.

    Raises:
        CollectionNotFound: It is gone.
    """
    query = select(COLLECTIONS).where(COLLECTIONS.c.uid == collection.uid).with_for_update(read=True)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise CollectionNotFound(collection.name)
    return collection_of(row)


async def is_served(connection: AsyncConnection, collection: Collection) -> bool:
    """Whether the collection's index is the one that searches see, now and until the transaction ends."""
    try:
        return (await current(connection, collection)).index_uid == (collection.index_uid or collection.uid)
    except CollectionNotFound:
        return False


async def mirror_of(connection: AsyncConnection, collection: Collection) -> Collection | None:
    """The collection with the index beside the served one, where there are two."""
    query = select(MIGRATIONS).where(MIGRATIONS.c.collection_uid == collection.uid, MIGRATIONS.c.ended_ms.is_(None))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    served = collection.index_uid or collection.uid
    return with_index(collection, plan_of(row, "source" if served == row.target_index_uid else "target"))


async def note_removals(
    connection: AsyncConnection, collection: Collection, document_id: str, up_to_version: int
) -> None:
    """Notes the points of a document for removal from each index."""
    narrowed = {"document_id": document_id, "up_to_version": up_to_version}
    other = await mirror_of(connection, collection)
    for index in (collection, other):
        if index is not None:
            await connection.execute(insert(REMOVALS).values({**removal_values(index), **narrowed}))
    if other is not None:
        await connection.execute(
            delete(COPIES).where(COPIES.c.index_uid == other.index_uid, COPIES.c.document_id == document_id)
        )


async def drop_index(connection: AsyncConnection, tenant: str, plan: IndexPlan) -> None:
    """Forgets the copies in an index and notes it for removal; a second time for what is being written into it now."""
    await connection.execute(delete(COPIES).where(COPIES.c.index_uid == plan.index_uid))
    for due_ms in (0, now_ms() + _LATE_MS):
        row = removal_of_index(tenant, plan.index_uid, plan.model, due_ms)
        await connection.execute(insert(REMOVALS).values(row))


async def exchange_counts(connection: AsyncConnection, collection: Collection, other: Collection) -> None:
    """Makes the copies what is served, and what was served copies."""
    in_other = and_(
        COPIES.c.index_uid == other.index_uid,
        COPIES.c.document_id == VERSIONS.c.document_id,
        COPIES.c.version == VERSIONS.c.version,
    )
    indexed = select(
        literal(collection.index_uid or collection.uid),
        VERSIONS.c.document_id,
        VERSIONS.c.version,
        VERSIONS.c.chunk_count,
    ).where(VERSIONS.c.collection_uid == collection.uid, VERSIONS.c.chunk_count.is_not(None))
    columns = ["index_uid", "document_id", "version", "chunk_count"]
    await connection.execute(insert(COPIES).from_select(columns, indexed))
    counts = select(COPIES.c.chunk_count).where(in_other).scalar_subquery()
    await connection.execute(
        update(VERSIONS).where(VERSIONS.c.collection_uid == collection.uid).values(chunk_count=counts)
    )
    await connection.execute(delete(COPIES).where(COPIES.c.index_uid == other.index_uid))


def is_missing(index_uid: str) -> ColumnElement[bool]:
    """Whether a document is served in a version that has no copy in the index."""
    copied = exists().where(
        COPIES.c.index_uid == index_uid,
        COPIES.c.document_id == DOCUMENTS.c.document_id,
        COPIES.c.version == DOCUMENTS.c.served_version,
    )
    return and_(DOCUMENTS.c.served_version > 0, ~copied)


def plan_of(row: Row[Any], side: str) -> IndexPlan:
    """The index on one side of a migration's row."""
    values = row._mapping
    return IndexPlan(
        values[f"{side}_index_uid"],
        EmbeddingModel(values[f"{side}_model_id"], values[f"{side}_dimension"]),
        chunking_of(values[f"{side}_chunking"]),
    )
