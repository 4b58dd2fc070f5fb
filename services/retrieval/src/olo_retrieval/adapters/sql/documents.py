"""Documents in SQL, as callers see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import Unavailable
from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.mirrors import current, note_removals
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, VERSIONS
from olo_retrieval.errors import CollectionNotFound, DocumentNotFound
from olo_retrieval.ingestion.progress import progress_of
from olo_retrieval.types import (
    Collection,
    DocumentRecord,
    DocumentState,
    Draft,
    IngestProgress,
    Staging,
    VersionRef,
)

_NOT_SHOWN = ("content", "file", "collection_uid", "document_id")


class SqlDocuments:
    """A DocumentStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stage(self, collection: Collection, draft: Draft) -> tuple[DocumentRecord, Staging]:
        """Stores a draft as the newest version, unless the same is there."""
        try:
            async with self._database.write() as connection:
                staging = await _stage(connection, collection, draft)
                return await _one(connection, collection, draft.document_id), staging
        except IntegrityError:
            raise Unavailable("the same document is being stored by another call", retry_after=0.1) from None

    async def get(self, collection: Collection, document_id: str) -> DocumentRecord:
        """One document."""
        async with self._database.read() as connection:
            return await _one(connection, collection, document_id)

    async def page(self, collection: Collection, after: str, limit: int) -> list[DocumentRecord]:
        """At most `limit` whose id comes after `after`."""
        query = _shown(collection).where(DOCUMENTS.c.document_id > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(DOCUMENTS.c.document_id).limit(limit))
            return [_record(collection, row) for row in rows]

    async def delete(self, collection: Collection, document_id: str) -> None:
        """Deletes the row and notes the points for removal."""
        async with self._database.write() as connection:
            collection = await current(connection, collection)
            row = await _row(connection, collection, document_id)
            if row is None or row.deleted:
                raise DocumentNotFound(document_id)
            changes = {"deleted": True, "served_version": 0, "error": "", "error_reason": "", "updated_ms": now_ms()}
            await connection.execute(update(DOCUMENTS).where(_is(collection, document_id)).values(changes))
            await connection.execute(
                delete(VERSIONS).where(
                    VERSIONS.c.collection_uid == collection.uid, VERSIONS.c.document_id == document_id
                )
            )
            await note_removals(connection, collection, document_id, row.version)


async def _stage(connection: AsyncConnection, collection: Collection, draft: Draft) -> Staging:
    if (await connection.execute(select(COLLECTIONS.c.uid).where(COLLECTIONS.c.uid == collection.uid))).first() is None:
        raise CollectionNotFound(collection.name)
    row = await _row(connection, collection, draft.document_id)
    if row is not None and not row.deleted:
        same = await _versions_like(connection, collection, draft)
        if row.state == DocumentState.INDEXING and row.version in same:
            return Staging.PENDING
        if row.state != DocumentState.INDEXING and row.served_version in same:
            values = {"state": DocumentState.READY.value, "error": "", "error_reason": ""}
            await connection.execute(update(DOCUMENTS).where(_is(collection, draft.document_id)).values(values))
            return Staging.UNCHANGED
    await _add_version(connection, collection, draft, row)
    return Staging.NEW


async def _add_version(connection: AsyncConnection, collection: Collection, draft: Draft, row: Row[Any] | None) -> None:
    now = now_ms()
    version = 1 if row is None else row.version + 1
    values: dict[str, Any] = {
        "version": version,
        "state": DocumentState.INDEXING.value,
        "error": "",
        "error_reason": "",
        "deleted": False,
        "updated_ms": now,
        "source_id": draft.source_id,
    }
    if row is None or row.deleted:
        values["created_ms"] = now
    if row is None:
        values |= {"collection_uid": collection.uid, "document_id": draft.document_id, "served_version": 0}
        await connection.execute(insert(DOCUMENTS).values(values))
    else:
        await connection.execute(update(DOCUMENTS).where(_is(collection, draft.document_id)).values(values))
    stored = {
        "collection_uid": collection.uid,
        "document_id": draft.document_id,
        "version": version,
        "title": draft.title,
        "source": draft.source,
        "metadata": dict(draft.metadata),
        "sha256": draft.sha256,
        "size_bytes": draft.size_bytes,
        "content": draft.content,
        "url": draft.url,
        "file": draft.file.data if draft.file else None,
        "format": draft.file.format if draft.file else None,
    }
    await connection.execute(insert(VERSIONS).values(stored))


async def _versions_like(connection: AsyncConnection, collection: Collection, draft: Draft) -> set[int]:
    query = select(VERSIONS.c.version, VERSIONS.c.metadata).where(
        VERSIONS.c.collection_uid == collection.uid,
        VERSIONS.c.document_id == draft.document_id,
        VERSIONS.c.sha256 == draft.sha256,
        VERSIONS.c.source == draft.source,
        VERSIONS.c.url == draft.url,
        VERSIONS.c.format == (draft.file.format if draft.file else None),
    )
    if draft.title:
        query = query.where(VERSIONS.c.title == draft.title)
    rows = await connection.execute(query)
    return {version for version, metadata in rows if metadata == dict(draft.metadata)}


async def _row(connection: AsyncConnection, collection: Collection, document_id: str) -> Row[Any] | None:
    query = select(DOCUMENTS).where(_is(collection, document_id)).with_for_update()
    return (await connection.execute(query)).one_or_none()


async def _one(connection: AsyncConnection, collection: Collection, document_id: str) -> DocumentRecord:
    query = _shown(collection).where(DOCUMENTS.c.document_id == document_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise DocumentNotFound(document_id)
    return _record(collection, row)


def _is(collection: Collection, document_id: str) -> ColumnElement[bool]:
    return and_(DOCUMENTS.c.collection_uid == collection.uid, DOCUMENTS.c.document_id == document_id)


def _shown(collection: Collection) -> Select[Any]:
    shown = case(
        (DOCUMENTS.c.state == DocumentState.READY.value, DOCUMENTS.c.served_version), else_=DOCUMENTS.c.version
    )
    columns = [column for column in VERSIONS.c if column.name not in _NOT_SHOWN]
    return (
        select(
            DOCUMENTS.c.document_id,
            DOCUMENTS.c.state,
            DOCUMENTS.c.error,
            DOCUMENTS.c.error_reason,
            DOCUMENTS.c.source_id,
            or_(VERSIONS.c.url != "", and_(VERSIONS.c.format.is_not(None), VERSIONS.c.content == "")).label("unread"),
            DOCUMENTS.c.created_ms,
            DOCUMENTS.c.updated_ms,
            *columns,
        )
        .join(
            VERSIONS,
            and_(
                VERSIONS.c.collection_uid == DOCUMENTS.c.collection_uid,
                VERSIONS.c.document_id == DOCUMENTS.c.document_id,
                VERSIONS.c.version == shown,
            ),
        )
        .where(DOCUMENTS.c.collection_uid == collection.uid, DOCUMENTS.c.deleted.is_(False))
    )


def _record(collection: Collection, row: Row[Any]) -> DocumentRecord:
    return DocumentRecord(
        ref=VersionRef(collection.tenant, collection.name, row.document_id, row.version),
        title=row.title,
        source=row.source,
        state=DocumentState(row.state),
        chunk_count=row.chunk_count or 0,
        error=row.error,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        metadata=row._mapping["metadata"],
        progress=_progress(row),
        page_count=len(row.pages or ()),
        error_reason=row.error_reason,
        source_id=row.source_id,
    )


def _progress(row: Row[Any]) -> IngestProgress:
    return progress_of(
        DocumentState(row.state),
        unread=row.unread,
        done=row.chunks_done,
        total=row.chunks_total,
        seconds=(now_ms() - row.embedding_since_ms) / 1000 if row.embedding_since_ms is not None else None,
    )
