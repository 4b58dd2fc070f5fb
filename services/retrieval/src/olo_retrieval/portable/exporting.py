"""Writes a collection as a file, in pieces, while it is searched and written to."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from olo_retrieval.portable import lines
from olo_retrieval.portable.framing import Seal, end, member
from olo_retrieval.portable.ports import PortableStore
from olo_retrieval.portable.records import (
    HEADER,
    SEAL,
    Header,
    MovedChunk,
    MovedDocument,
    chunks_name,
    documents_name,
    vectors_name,
)
from olo_retrieval.ports import CollectionStore, VectorStore
from olo_retrieval.types import Collection, Point

_PAGE: Final = 100
_GROUP_CHARACTERS: Final = 1024 * 1024
"""Documents are written together up to this; a longer one alone."""
_WINDOW: Final = 256
"""Passages that are read and written at once."""


class Exporter:
    """Writes collections.

    Args:
        collections: Where they are looked up.
        store: Their documents.
        vectors: Their points.
        sparse: The kind of the sparse vectors, as of the settings.
    """

    def __init__(
        self, collections: CollectionStore, store: PortableStore, vectors: VectorStore, *, sparse: str
    ) -> None:
        self._collections = collections
        self._store = store
        self._vectors = vectors
        self._sparse = sparse

    async def export(self, tenant: str, name: str, *, vectors: bool) -> AsyncGenerator[bytes, None]:
        """The bytes of the file.

        Each document is in it as it is at one moment, but not all at the same one. A document whose points are on their
        way to another index comes without them, and is embedded anew where the file is brought in.

        Raises:
            CollectionNotFound: There is none.
            Unavailable: A store is away.
        """
        collection = await self._collections.find(tenant, name)
        header = Header(
            collection.name, collection.model, collection.chunking, collection.retriever, self._sparse, vectors
        )
        seal, documents, chunks = Seal(), 0, 0
        yield seal.add(member(HEADER, lines.header_line(header)))
        numbers = count(1)
        async for group in self._groups(collection):
            number = next(numbers)
            documents += len(group)
            yield seal.add(member(documents_name(number), b"".join(map(lines.document_line, group))))
            parts = count(1)
            async for moved, rows in self._passages(collection, group):
                part = next(parts)
                chunks += len(moved)
                content = b"".join(lines.chunk_line(chunk, vectors=vectors) for chunk in moved)
                yield seal.add(member(chunks_name(number, part), content))
                if vectors:
                    yield seal.add(member(vectors_name(number, part), rows))
        yield member(SEAL, lines.seal_line(documents, chunks, seal.size, seal.sha256)) + end()

    async def _groups(self, collection: Collection) -> AsyncIterator[list[MovedDocument]]:
        after = ""
        while page := await self._store.page(collection, after, _PAGE):
            for document_ids in _split(page):
                if group := await self._store.documents(collection, document_ids):
                    yield group
            after = page[-1][0]

    async def _passages(
        self, collection: Collection, group: Sequence[MovedDocument]
    ) -> AsyncIterator[tuple[list[MovedChunk], bytes]]:
        """Passages of the documents in turn, with their dense vectors, at most a window of them at once."""
        held: list[tuple[MovedChunk, Point]] = []
        for document in group:
            async for passage in self._of_document(collection, document):
                held.append(passage)
                if len(held) == _WINDOW:
                    yield _written(held)
                    held = []
        if held:
            yield _written(held)

    async def _of_document(
        self, collection: Collection, document: MovedDocument
    ) -> AsyncIterator[tuple[MovedChunk, Point]]:
        """Its passages by number, up to the first that is not there any more."""
        wanted = document.chunk_count or 0
        version = collection.points(document.document_id, document.version)
        for start in range(0, wanted, _WINDOW):
            window = range(start, min(start + _WINDOW, wanted))
            points = await self._vectors.read(collection.model, replace(version, pieces=window))
            for number, point in zip(window, points, strict=False):
                moved = MovedChunk.of(point.piece, point.sparse, document)
                is_whole = len(point.dense) == collection.model.dimension
                if moved is None or point.piece.index != number or not is_whole:
                    return
                yield moved, point
            if len(points) < len(window):
                return


def _split(page: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for document_id, characters in page:
        if group and size + characters > _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
        group.append(document_id)
        size += characters
    if group:
        yield group


def _written(held: Sequence[tuple[MovedChunk, Point]]) -> tuple[list[MovedChunk], bytes]:
    rows = array("f")
    for _, point in held:
        rows.extend(point.dense)
    return [chunk for chunk, _ in held], lines.little_endian(rows)
