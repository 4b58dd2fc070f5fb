"""Versions of documents in SQL, on their way to be served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import OloError
from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.mirrors import is_served
from olo_retrieval.adapters.sql.portable import forget_uncommitted
from olo_retrieval.adapters.sql.served import ServedVersions
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, REMOVALS, VERSIONS
from olo_retrieval.chunking import title_of
from olo_retrieval.errors import IndexIncomplete
from olo_retrieval.parsing import Extracted
from olo_retrieval.structure import Structure
from olo_retrieval.types import (
    Collection,
    DocumentState,
    EmbeddingModel,
    RawFile,
    Removal,
    Selection,
    StoredVersion,
    VersionRef,
)

_SAME_DOCUMENT = and_(
    VERSIONS.c.collection_uid == DOCUMENTS.c.collection_uid, VERSIONS.c.document_id == DOCUMENTS.c.document_id
)

# Every search reads this; made once, it is not put together and looked up anew each time.
_SERVED_NOW = (
    select(DOCUMENTS.c.document_id, DOCUMENTS.c.served_version)
    .select_from(COLLECTIONS)
    .outerjoin(
        DOCUMENTS,
        and_(
            DOCUMENTS.c.collection_uid == COLLECTIONS.c.uid,
            DOCUMENTS.c.document_id.in_(bindparam("ids", expanding=True)),
            DOCUMENTS.c.served_version > 0,
        ),
    )
    .where(COLLECTIONS.c.uid == bindparam("uid"), COLLECTIONS.c.revision == bindparam("revision"))
)


class SqlVersions:
    """A VersionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._served = ServedVersions()

    async def wanted(self, collection: Collection, document_id: str, version: int) -> StoredVersion | None:
        """The version, if it is the newest or the served one of a document that still exists."""
        query = (
            select(VERSIONS)
            .join(DOCUMENTS, _SAME_DOCUMENT)
            .where(
                _document(collection, document_id),
                VERSIONS.c.version == version,
                or_(DOCUMENTS.c.version == version, DOCUMENTS.c.served_version == version),
                DOCUMENTS.c.deleted.is_(False),
            )
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        file = RawFile(row.file, row.format) if row.file is not None else None
        return StoredVersion(
            document_id, version, row.title, row.source, row.content, row.metadata, row.chunk_count,
            Structure(row.structure), row.pages or (), file, row.url,
        )  # fmt: skip

    async def served(self, collection: Collection, after: str, limit: int) -> list[tuple[str, int, int]]:
        """Document id, version and number of chunks of what is served, by document id."""
        query = (
            select(VERSIONS.c.document_id, VERSIONS.c.version, VERSIONS.c.chunk_count)
            .join(DOCUMENTS, _SAME_DOCUMENT)
            .where(
                DOCUMENTS.c.collection_uid == collection.uid,
                DOCUMENTS.c.served_version == VERSIONS.c.version,
                DOCUMENTS.c.document_id > after,
            )
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(DOCUMENTS.c.document_id).limit(limit))
            return [(document_id, version, chunks or 0) for document_id, version, chunks in rows]

    async def served_versions(self, collection: Collection, document_ids: Iterable[str]) -> Mapping[str, int]:
        """The served version of each of these documents that has one."""
        wanted = list(document_ids)
        if not wanted:
            return {}
        query = select(DOCUMENTS.c.document_id, DOCUMENTS.c.served_version).where(
            DOCUMENTS.c.collection_uid == collection.uid,
            DOCUMENTS.c.document_id.in_(wanted),
            DOCUMENTS.c.served_version > 0,
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.document_id: row.served_version for row in rows}

    async def served_now(self, collection: Collection, document_ids: Iterable[str]) -> Mapping[str, int] | None:
        """The same, by the read that says whether the collection is still as it is given; None where it is not."""
        wanted, key = list(document_ids), (collection.uid, collection.revision)
        state = self._database.state()
        if (known := self._served.get(state, key, wanted)) is not None:
            return known
        rows = await self._database.rows(_SERVED_NOW, {"uid": key[0], "revision": key[1], "ids": wanted})
        if not rows:
            return None
        served = {row.document_id: row.served_version for row in rows if row.document_id is not None}
        self._served.keep(state, key, wanted, served)
        return served

    async def store_file(
        self, collection: Collection, document_id: str, version: int, file: RawFile, sha256: str
    ) -> None:
        """Keeps the file that was fetched for a version."""
        values = {"url": "", "file": file.data, "format": file.format, "sha256": sha256, "size_bytes": len(file.data)}
        async with self._database.write() as connection:
            await connection.execute(update(VERSIONS).where(_version(collection, document_id, version)).values(values))

    async def store_text(self, collection: Collection, document_id: str, version: int, text: Extracted) -> None:
        """Keeps the text of a file, with a title where none was given, and forgets the file."""
        values = {
            "content": text.text,
            "structure": text.structure.value,
            "pages": list(text.pages),
            "file": None,
            "title": case(
                (VERSIONS.c.title == "", title_of(text.text, text.structure) or VERSIONS.c.source),
                else_=VERSIONS.c.title,
            ),
        }
        async with self._database.write() as connection:
            await connection.execute(update(VERSIONS).where(_version(collection, document_id, version)).values(values))

    async def note_progress(
        self, collection: Collection, document_id: str, version: int, done: int, total: int
    ) -> None:
        """Says how many of a version's chunks are written; the first time starts the clock."""
        values = {
            "chunks_done": done,
            "chunks_total": total,
            "embedding_since_ms": func.coalesce(VERSIONS.c.embedding_since_ms, now_ms()),
        }
        async with self._database.write() as connection:
            await connection.execute(update(VERSIONS).where(_version(collection, document_id, version)).values(values))

    async def mark_indexed(self, collection: Collection, document_id: str, version: int, chunks: int) -> None:
        """Says how many points the version has, unless searches see another index by now."""
        values = {"chunk_count": chunks, "chunks_done": chunks, "chunks_total": chunks}
        async with self._database.write() as connection:
            if await is_served(connection, collection):
                statement = update(VERSIONS).where(_version(collection, document_id, version))
                await connection.execute(statement.values(values))

    async def swap(self, collection: Collection, document_id: str, version: int) -> bool:
        """Makes the version the served one; false where it is not the newest any more."""
        changes = {"served_version": version, "state": DocumentState.READY.value, "error": "", "error_reason": ""}
        async with self._database.write() as connection:
            if not await is_served(connection, collection):
                raise IndexIncomplete
            return await _change(connection, collection, document_id, version, changes)

    async def note_error(self, collection: Collection, document_id: str, version: int, error: OloError) -> None:
        """Says why indexing has not succeeded so far."""
        changes = {"error": error.message, "error_reason": error.reason}
        unserved = DOCUMENTS.c.served_version != version
        async with self._database.write() as connection:
            await _change(connection, collection, document_id, version, changes, unserved)

    async def mark_failed(self, collection: Collection, document_id: str, version: int, error: str) -> None:
        """Says that indexing has failed, and forgets the file. `error` counts where no attempt has noted one."""
        unserved = DOCUMENTS.c.served_version != version
        failed = {"state": DocumentState.FAILED.value}
        async with self._database.write() as connection:
            unsaid = DOCUMENTS.c.error == ""
            await _change(connection, collection, document_id, version, {"error": error}, unserved, unsaid)
            await _change(connection, collection, document_id, version, failed, unserved)
            await connection.execute(
                update(VERSIONS).where(_version(collection, document_id, version)).values(file=None)
            )

    async def prune(self, collection: Collection, document_id: str) -> None:
        """Forgets the contents of versions that are neither served nor the newest."""
        query = select(DOCUMENTS.c.version, DOCUMENTS.c.served_version).where(_document(collection, document_id))
        async with self._database.write() as connection:
            row = (await connection.execute(query.with_for_update())).one_or_none()
            kept = [] if row is None else [row.version, row.served_version]
            await connection.execute(
                delete(VERSIONS).where(
                    VERSIONS.c.collection_uid == collection.uid,
                    VERSIONS.c.document_id == document_id,
                    VERSIONS.c.version.not_in(kept),
                )
            )

    async def unfinished(self, older_than_seconds: float, limit: int) -> list[VersionRef]:
        """Versions that have been indexing for longer than this."""
        query = (
            select(COLLECTIONS.c.tenant, COLLECTIONS.c.name, DOCUMENTS.c.document_id, DOCUMENTS.c.version)
            .join(COLLECTIONS, COLLECTIONS.c.uid == DOCUMENTS.c.collection_uid)
            .where(
                DOCUMENTS.c.state == DocumentState.INDEXING.value,
                DOCUMENTS.c.deleted.is_(False),
                DOCUMENTS.c.updated_ms <= now_ms() - int(older_than_seconds * 1000),
            )
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(DOCUMENTS.c.updated_ms).limit(limit))
            return [VersionRef(*row) for row in rows]

    async def removals(self, limit: int) -> list[Removal]:
        """Points that are to be removed now."""
        async with self._database.read() as connection:
            query = select(REMOVALS).where(REMOVALS.c.due_ms <= now_ms()).order_by(REMOVALS.c.removal_id)
            rows = await connection.execute(query.limit(limit))
            return [
                Removal(
                    row.removal_id,
                    EmbeddingModel(row.embedding_model_id, row.dimension),
                    Selection(row.tenant, row.collection_uid, row.document_id, up_to_version=row.up_to_version),
                )
                for row in rows
            ]

    async def removed(self, removal_id: int) -> None:
        """Says that the points are gone. What is left of an import that was given up goes with them."""
        whole = select(REMOVALS.c.collection_uid).where(
            REMOVALS.c.removal_id == removal_id, REMOVALS.c.document_id.is_(None)
        )
        async with self._database.write() as connection:
            if (uid := (await connection.execute(whole)).scalar()) is not None:
                await forget_uncommitted(connection, uid)
            await connection.execute(delete(REMOVALS).where(REMOVALS.c.removal_id == removal_id))


async def _change(
    connection: AsyncConnection,
    collection: Collection,
    document_id: str,
    version: int,
    changes: dict[str, Any],
    *conditions: ColumnElement[bool],
) -> bool:
    """Changes the document, if this version is its newest."""
    statement = update(DOCUMENTS).where(
        _document(collection, document_id),
        DOCUMENTS.c.version == version,
        DOCUMENTS.c.deleted.is_(False),
        *conditions,
    )
    return bool((await connection.execute(statement.values(updated_ms=now_ms(), **changes))).rowcount)


def _version(collection: Collection, document_id: str, version: int) -> ColumnElement[bool]:
    return and_(
        VERSIONS.c.collection_uid == collection.uid,
        VERSIONS.c.document_id == document_id,
        VERSIONS.c.version == version,
    )


def _document(collection: Collection, document_id: str) -> ColumnElement[bool]:
    return and_(DOCUMENTS.c.collection_uid == collection.uid, DOCUMENTS.c.document_id == document_id)
