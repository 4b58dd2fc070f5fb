"""Rows of migrations: how they are read, locked and made values."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_retrieval.adapters.sql.collections import uncounted
from olo_retrieval.adapters.sql.mirrors import is_missing, plan_of
from olo_retrieval.adapters.sql.plans import collection_of
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, MIGRATIONS
from olo_retrieval.errors import CollectionNotFound, MigrationNotFound, MigrationStateWrong
from olo_retrieval.migrating.records import Comparison, IndexPlan, Migration, MigrationRef, MigrationState
from olo_retrieval.types import Collection


async def locked(connection: AsyncConnection, collection: Collection) -> Collection:
    """The collection as it is until the transaction ends."""
    query = uncounted().where(COLLECTIONS.c.uid == collection.uid).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise CollectionNotFound(collection.name)
    return collection_of(row)


async def decided(connection: AsyncConnection, ref: MigrationRef, states: tuple[MigrationState, ...]) -> Migration:
    """A migration that is in one of these states until the transaction ends."""
    of_it = (COLLECTIONS.c.tenant == ref.tenant, MIGRATIONS.c.migration_id == ref.migration_id)
    # The row of the collection first, as everyone locks it first.
    await connection.execute(
        select(COLLECTIONS.c.uid)
        .join(MIGRATIONS, MIGRATIONS.c.collection_uid == COLLECTIONS.c.uid)
        .where(*of_it)
        .with_for_update(of=COLLECTIONS)
    )
    row = (await connection.execute(joined().where(*of_it))).one_or_none()
    if row is None:
        raise MigrationNotFound(ref.migration_id)
    migration = migration_of(row)
    if migration.state not in states:
        raise MigrationStateWrong(migration.state.value)
    return migration


async def one(connection: AsyncConnection, collection: Collection, migration_id: str) -> Migration:
    """One of a collection without its counts; the newest where the id is empty."""
    query = of_collection(collection).order_by(MIGRATIONS.c.migration_id.desc()).limit(1)
    if migration_id:
        query = query.where(MIGRATIONS.c.migration_id == migration_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise MigrationNotFound(migration_id)
    return migration_of(row)


async def counted(connection: AsyncConnection, migration: Migration) -> Migration:
    """With the documents that are served, and those that are in the other index too."""
    served = select(func.count()).select_from(DOCUMENTS)
    served = served.where(DOCUMENTS.c.collection_uid == migration.collection.uid, DOCUMENTS.c.served_version > 0)
    total = (await connection.execute(served)).scalar_one()
    left = (await connection.execute(served.where(is_missing(migration.other.index_uid)))).scalar_one()
    return replace(migration, documents_total=total, documents_done=total - left)


def joined() -> Select[Any]:
    """Migrations with their collections."""
    own = [column for column in MIGRATIONS.c if column.name != "created_ms"]
    query = uncounted(*own, MIGRATIONS.c.created_ms.label("begun_ms"))
    return query.join(MIGRATIONS, MIGRATIONS.c.collection_uid == COLLECTIONS.c.uid)


def of_collection(collection: Collection) -> Select[Any]:
    """The migrations of a collection."""
    return joined().where(COLLECTIONS.c.uid == collection.uid)


def migration_of(row: Row[Any]) -> Migration:
    """The migration of a row of `joined`."""
    collection = collection_of(row)
    compared = Comparison(row.overlap, row.sampled_queries) if row.overlap is not None else None
    return Migration(
        ref=MigrationRef(collection.tenant, collection.name, row.migration_id),
        collection=collection,
        state=MigrationState(row.state),
        source=plan_of(row, "source"),
        target=plan_of(row, "target"),
        min_overlap=row.min_overlap,
        created_ms=row.begun_ms,
        updated_ms=row.updated_ms,
        comparison=compared,
        error=row.error,
        error_reason=row.error_reason,
    )


def plan_values(side: str, plan: IndexPlan) -> dict[str, Any]:
    """The columns of one side of a migration."""
    return {
        f"{side}_index_uid": plan.index_uid,
        f"{side}_model_id": plan.model.model_id,
        f"{side}_dimension": plan.model.dimension,
        f"{side}_chunking": asdict(plan.chunking),
    }
