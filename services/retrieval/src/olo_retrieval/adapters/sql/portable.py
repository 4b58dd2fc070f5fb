"""Collections that leave as a file, and those that come in, in SQL.

What comes in has a uid that no collection has until it is committed, so that nothing finds it. A removal of all points
of that uid is noted first and put off while documents come: whoever works removals off then clears what was left by a
process that died.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import Unavailable
from olo_common.sql import Database
from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.plans import removal_of_index
from olo_retrieval.adapters.sql.tables import COLLECTIONS, DOCUMENTS, REMOVALS, VERSIONS
from olo_retrieval.errors import CollectionExists, ImportMalformed
from olo_retrieval.portable.records import MovedDocument
from olo_retrieval.structure import Structure
from olo_retrieval.types import Collection, DocumentState, RawFile

_PATIENCE_MS: Final = 3_600_000
"""An import of which nothing has come for so long is given up."""

# What searches see, or the newest where they see nothing; one that is still to be fetched cannot go along.
_EXPORTED = and_(
    VERSIONS.c.collection_uid == DOCUMENTS.c.collection_uid,
    VERSIONS.c.document_id == DOCUMENTS.c.document_id,
    VERSIONS.c.version == case((DOCUMENTS.c.served_version > 0, DOCUMENTS.c.served_version), else_=DOCUMENTS.c.version),
    DOCUMENTS.c.deleted.is_(False),
    or_(VERSIONS.c.content != "", VERSIONS.c.file.is_not(None)),
)


class SqlPortable:
    """A PortableStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, collection: Collection, after: str, limit: int) -> list[tuple[str, int]]:
        """Document id and size of what is exported, by document id."""
        size = func.length(VERSIONS.c.content) + func.coalesce(func.length(VERSIONS.c.file), 0)
        query = (
            select(DOCUMENTS.c.document_id, size)
            .join(VERSIONS, _EXPORTED)
            .where(DOCUMENTS.c.collection_uid == collection.uid, DOCUMENTS.c.document_id > after)
            .order_by(DOCUMENTS.c.document_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(document_id, characters) for document_id, characters in await connection.execute(query)]

    async def documents(self, collection: Collection, document_ids: Sequence[str]) -> list[MovedDocument]:
        """These documents, by id; one that was deleted meanwhile is left out."""
        query = (
            select(VERSIONS, DOCUMENTS.c.served_version, DOCUMENTS.c.created_ms, DOCUMENTS.c.updated_ms)
            .join(DOCUMENTS, _EXPORTED)
            .where(DOCUMENTS.c.collection_uid == collection.uid, DOCUMENTS.c.document_id.in_(document_ids))
            .order_by(DOCUMENTS.c.document_id)
        )
        async with self._database.read() as connection:
            return [_moved(row) for row in await connection.execute(query)]

    async def begin(self, collection: Collection) -> None:
        """Notes that a collection is being brought in."""
        taken = select(COLLECTIONS.c.uid).where(
            COLLECTIONS.c.tenant == collection.tenant, COLLECTIONS.c.name == collection.name
        )
        intent = removal_of_index(collection.tenant, collection.uid, collection.model, now_ms() + _PATIENCE_MS)
        async with self._database.write() as connection:
            if (await connection.execute(taken)).first() is not None:
                raise CollectionExists(collection.name)
            await connection.execute(insert(REMOVALS).values(intent))

    async def add(self, collection: Collection, documents: Sequence[MovedDocument]) -> None:
        """Keeps documents of a collection that was begun."""
        now = now_ms()
        put_off = update(REMOVALS).where(_intent(collection)).values(due_ms=now + _PATIENCE_MS)
        try:
            async with self._database.write() as connection:
                _still_open((await connection.execute(put_off)).rowcount)
                if documents:
                    rows = [_document_row(collection, document, now) for document in documents]
                    await connection.execute(insert(DOCUMENTS), rows)
                    await connection.execute(insert(VERSIONS), [_version_row(collection, each) for each in documents])
        except IntegrityError:
            raise ImportMalformed("a document is there twice") from None

    async def not_indexed(self, collection: Collection, document_ids: Sequence[str]) -> None:
        """Says that these documents are to be indexed."""
        of_collection = DOCUMENTS.c.collection_uid == collection.uid
        unserved = {"served_version": 0, "state": DocumentState.INDEXING.value}
        async with self._database.write() as connection:
            named = DOCUMENTS.c.document_id.in_(document_ids)
            await connection.execute(update(DOCUMENTS).where(of_collection, named).values(unserved))
            counted = VERSIONS.c.document_id.in_(document_ids)
            await connection.execute(
                update(VERSIONS).where(VERSIONS.c.collection_uid == collection.uid, counted).values(chunk_count=None)
            )

    async def commit(self, collection: Collection) -> None:
        """Lets everybody see the collection."""
        values = {
            "uid": collection.uid,
            "tenant": collection.tenant,
            "name": collection.name,
            "embedding_model_id": collection.model.model_id,
            "dimension": collection.model.dimension,
            "created_ms": now_ms(),
            "chunking": asdict(collection.chunking),
            "index_uid": collection.uid,
            "retriever": collection.retriever,
        }
        try:
            async with self._database.write() as connection:
                _still_open((await connection.execute(delete(REMOVALS).where(_intent(collection)))).rowcount)
                await connection.execute(insert(COLLECTIONS).values(values))
        except IntegrityError:
            raise CollectionExists(collection.name) from None

    async def abandon(self, collection: Collection) -> None:
        """Forgets the documents of a collection that was not committed, and notes its points for removal."""
        async with self._database.write() as connection:
            # One whose commit has gone through, without its caller having heard of it, is left.
            if (await connection.execute(update(REMOVALS).where(_intent(collection)).values(due_ms=0))).rowcount:
                await forget_uncommitted(connection, collection.uid)


async def forget_uncommitted(connection: AsyncConnection, uid: str) -> None:
    """Deletes the documents of a uid, unless it is that of a collection."""
    is_one = select(COLLECTIONS.c.uid).where(COLLECTIONS.c.uid == uid).exists()
    for table in (VERSIONS, DOCUMENTS):
        await connection.execute(delete(table).where(table.c.collection_uid == uid, ~is_one))


def _still_open(rows: int) -> None:
    if not rows:
        raise Unavailable("the import was given up: nothing had come for an hour", retry_after=1.0)


def _intent(collection: Collection) -> ColumnElement[bool]:
    return and_(REMOVALS.c.collection_uid == collection.uid, REMOVALS.c.document_id.is_(None))


def _moved(row: Row[Any]) -> MovedDocument:
    is_indexed = row.served_version > 0
    return MovedDocument(
        document_id=row.document_id,
        version=row.version,
        title=row.title,
        source=row.source,
        content=row.content,
        metadata=row.metadata,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        chunk_count=row.chunk_count if is_indexed else None,
        structure=Structure(row.structure),
        pages=row.pages or (),
        file=RawFile(row.file, row.format) if row.file is not None else None,
    )


def _document_row(collection: Collection, document: MovedDocument, now: int) -> dict[str, Any]:
    is_indexed = document.chunk_count is not None
    return {
        "collection_uid": collection.uid,
        "document_id": document.document_id,
        "version": document.version,
        "served_version": document.version if is_indexed else 0,
        "state": (DocumentState.READY if is_indexed else DocumentState.INDEXING).value,
        "error": "",
        "deleted": False,
        "created_ms": document.created_ms,
        # What is to be indexed has been waiting since now.
        "updated_ms": document.updated_ms if is_indexed else now,
    }


def _version_row(collection: Collection, document: MovedDocument) -> dict[str, Any]:
    file = document.file
    return {
        "collection_uid": collection.uid,
        "document_id": document.document_id,
        "version": document.version,
        "title": document.title,
        "source": document.source,
        "metadata": dict(document.metadata),
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "chunk_count": document.chunk_count,
        "content": document.content,
        "file": file.data if file else None,
        "format": file.format if file else None,
        "structure": document.structure.value,
        "pages": list(document.pages),
    }
