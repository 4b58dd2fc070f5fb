"""Migrations in SQL."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import OloError
from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.migration_rows import (
    counted,
    decided,
    joined,
    locked,
    migration_of,
    of_collection,
    one,
    plan_values,
)
from olo_retrieval.adapters.sql.mirrors import drop_index, exchange_counts, is_missing, mirror_of
from olo_retrieval.adapters.sql.tables import COLLECTIONS, COPIES, DOCUMENTS, MIGRATIONS
from olo_retrieval.chunking import Chunking
from olo_retrieval.errors import MigrationOpen
from olo_retrieval.migrating.records import (
    BUILDING,
    MOVING,
    OPEN,
    Comparison,
    IndexPlan,
    Migration,
    MigrationRef,
    MigrationState,
)
from olo_retrieval.types import Collection, EmbeddingModel

_MOVING: Final = [state.value for state in MOVING]


class SqlMigrations:
    """A MigrationStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, collection: Collection, model: EmbeddingModel, chunking: Chunking, min_overlap: float
    ) -> Migration:
        """Notes a migration to a new index."""
        now = now_ms()
        migration_id = f"{now:012x}{uuid.uuid4().hex[:20]}"
        try:
            async with self._database.write() as connection:
                served = await locked(connection, collection)
                source = IndexPlan(served.index_uid, served.model, served.chunking)
                target = IndexPlan(uuid.uuid4().hex, model, chunking)
                values = {
                    "migration_id": migration_id,
                    "collection_uid": served.uid,
                    "state": MigrationState.COPYING.value,
                    "error": "",
                    "error_reason": "",
                    **plan_values("source", source),
                    **plan_values("target", target),
                    "min_overlap": min_overlap,
                    "sampled_queries": 0,
                    "created_ms": now,
                    "updated_ms": now,
                }
                await connection.execute(insert(MIGRATIONS).values(values))
                return await one(connection, served, migration_id)
        except IntegrityError:
            raise MigrationOpen(collection.name) from None

    async def get(self, collection: Collection, migration_id: str) -> Migration:
        """One with its counts; the newest where the id is empty."""
        async with self._database.read() as connection:
            found = await one(connection, collection, migration_id)
            return await counted(connection, found)

    async def page(self, collection: Collection, before: str, limit: int) -> list[Migration]:
        """At most `limit`, newest first, older than `before`."""
        query = of_collection(collection).order_by(MIGRATIONS.c.migration_id.desc()).limit(limit)
        if before:
            query = query.where(MIGRATIONS.c.migration_id < before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            return [await counted(connection, migration_of(row)) for row in rows]

    async def moving(self, ref: MigrationRef) -> Migration | None:
        """One without its counts, if there is still work to do."""
        query = joined().where(
            COLLECTIONS.c.tenant == ref.tenant,
            MIGRATIONS.c.migration_id == ref.migration_id,
            MIGRATIONS.c.state.in_(_MOVING),
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return migration_of(row) if row is not None else None

    async def all_moving(self, limit: int) -> list[MigrationRef]:
        """Those that a workflow should be at work on."""
        query = joined().where(MIGRATIONS.c.state.in_(_MOVING)).order_by(MIGRATIONS.c.migration_id).limit(limit)
        async with self._database.read() as connection:
            return [migration_of(row).ref for row in await connection.execute(query)]

    async def mirror(self, collection: Collection) -> Collection | None:
        """The collection with the index beside the served one."""
        async with self._database.read() as connection:
            return await mirror_of(connection, collection)

    async def missing(self, migration: Migration, after: str, limit: int) -> list[tuple[str, int]]:
        """Served documents, with their versions, that have no copy."""
        query = (
            select(DOCUMENTS.c.document_id, DOCUMENTS.c.served_version)
            .where(
                DOCUMENTS.c.collection_uid == migration.collection.uid,
                DOCUMENTS.c.document_id > after,
                is_missing(migration.other.index_uid),
            )
            .order_by(DOCUMENTS.c.document_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(document_id, version) for document_id, version in await connection.execute(query)]

    async def copies(self, migration: Migration, after: str, limit: int) -> list[tuple[str, int, int]]:
        """Document id, version and number of chunks of the copies of served versions."""
        query = (
            select(COPIES.c.document_id, COPIES.c.version, COPIES.c.chunk_count)
            .where(
                COPIES.c.index_uid == migration.other.index_uid,
                COPIES.c.document_id > after,
                DOCUMENTS.c.collection_uid == migration.collection.uid,
                DOCUMENTS.c.document_id == COPIES.c.document_id,
                DOCUMENTS.c.served_version == COPIES.c.version,
            )
            .order_by(COPIES.c.document_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(document_id, version, chunks) for document_id, version, chunks in await connection.execute(query)]

    async def note_copy(self, other: Collection, document_id: str, version: int, chunks: int) -> bool:
        """Says that a version is wholly in the other index; false where nobody wants it there any more."""
        async with self._database.write() as connection:
            served = await locked(connection, other)
            mirror = await mirror_of(connection, served)
            document = (
                select(DOCUMENTS.c.version)
                .where(
                    DOCUMENTS.c.collection_uid == other.uid,
                    DOCUMENTS.c.document_id == document_id,
                    or_(DOCUMENTS.c.version == version, DOCUMENTS.c.served_version == version),
                    DOCUMENTS.c.deleted.is_(False),
                )
                .with_for_update()
            )
            is_wanted = (await connection.execute(document)).first() is not None
            if mirror is None or mirror.index_uid != other.index_uid or not is_wanted:
                return False
            await connection.execute(delete(COPIES).where(_copy(other, document_id), COPIES.c.version == version))
            copy = insert(COPIES).values(
                index_uid=other.index_uid, document_id=document_id, version=version, chunk_count=chunks
            )
            await connection.execute(copy)
            return True

    async def forget_copies(
        self, other: Collection, document_id: str, *, version: int | None = None, below: int | None = None
    ) -> None:
        """Says that the version, or all below one, are not in the other index."""
        statement = delete(COPIES).where(_copy(other, document_id))
        if version is not None:
            statement = statement.where(COPIES.c.version == version)
        if below is not None:
            statement = statement.where(COPIES.c.version < below)
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def verifying(self, ref: MigrationRef) -> None:
        """Says that all is copied, where copying is what it did."""
        async with self._database.write() as connection:
            copying = MIGRATIONS.c.state == MigrationState.COPYING.value
            await _change(connection, ref, copying, state=MigrationState.VERIFYING.value)

    async def note_comparison(self, ref: MigrationRef, comparison: Comparison) -> None:
        """Keeps what the sampled searches have said."""
        async with self._database.write() as connection:
            await _change(connection, ref, overlap=comparison.overlap, sampled_queries=comparison.queries)

    async def switch(self, ref: MigrationRef) -> bool:
        """Lets searches see the other index, in one transaction; false where a served version has no copy in it."""
        async with self._database.write() as connection:
            migration = await decided(connection, ref, MOVING)
            other = migration.other
            query = select(DOCUMENTS.c.document_id).where(
                DOCUMENTS.c.collection_uid == other.uid, is_missing(other.index_uid)
            )
            if (await connection.execute(query.limit(1))).first() is not None:
                if migration.state in BUILDING:
                    await _change(connection, ref, state=MigrationState.COPYING.value)
                return False
            await exchange_counts(connection, migration.collection, other)
            values = {
                "index_uid": other.index_uid,
                "embedding_model_id": other.model.model_id,
                "dimension": other.model.dimension,
                "chunking": asdict(other.chunking),
                "revision": COLLECTIONS.c.revision + 1,
            }
            await connection.execute(update(COLLECTIONS).where(COLLECTIONS.c.uid == other.uid).values(values))
            if migration.state in BUILDING:
                await _change(connection, ref, state=MigrationState.SERVING.value)
            else:
                await _end(connection, migration, MigrationState.ROLLED_BACK, migration.target)
            return True

    async def give_up(self, ref: MigrationRef, error: OloError | None) -> Migration:
        """Ends what is being built, or takes the way back."""
        why = {"error": error.message, "error_reason": error.reason} if error else {}
        async with self._database.write() as connection:
            migration = await decided(connection, ref, (*OPEN, MigrationState.ROLLED_BACK))
            if migration.state is MigrationState.ROLLED_BACK:
                return migration
            if migration.state in BUILDING:
                end = MigrationState.FAILED if error else MigrationState.ROLLED_BACK
                return await _end(connection, migration, end, migration.target, **why)
            then = MigrationState.SERVING if error else MigrationState.ROLLING_BACK
            await _change(connection, ref, state=then.value, **why)
            return replace(migration, state=then)

    async def finish(self, ref: MigrationRef) -> Migration:
        """Ends one that serves, and notes the old index for removal."""
        async with self._database.write() as connection:
            migration = await decided(connection, ref, (MigrationState.SERVING, MigrationState.FINISHED))
            if migration.state is MigrationState.FINISHED:
                return migration
            return await _end(connection, migration, MigrationState.FINISHED, migration.source)


async def _end(
    connection: AsyncConnection, migration: Migration, state: MigrationState, dropped: IndexPlan, **more: str
) -> Migration:
    await _change(connection, migration.ref, state=state.value, ended_ms=now_ms(), **more)
    await drop_index(connection, migration.ref.tenant, dropped)
    return replace(migration, state=state)


async def _change(connection: AsyncConnection, ref: MigrationRef, *conditions: ColumnElement[bool], **to: Any) -> None:
    statement = update(MIGRATIONS).where(MIGRATIONS.c.migration_id == ref.migration_id, *conditions)
    await connection.execute(statement.values(updated_ms=now_ms(), **to))


def _copy(other: Collection, document_id: str) -> ColumnElement[bool]:
    return (COPIES.c.index_uid == other.index_uid) & (COPIES.c.document_id == document_id)
