"""Brings a collection in from its file. It is there when all of it is, and then it stays."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_contracts.identifiers import AUTO_MODEL
from olo_retrieval.errors import ImportMalformed
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.portable import lines
from olo_retrieval.portable.framing import Members
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
from olo_retrieval.ports import CollectionStore, DocumentStore, Embedder, IngestStarter, VectorStore, VersionStore
from olo_retrieval.types import Collection, DocumentState, EmbeddingModel, Piece, Point

_PAGE: Final = 200
_MOST_CHUNKS: Final = 4096
"""Of one member."""


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """What is taken: bytes of the file, of the text of a document, and of a file that is still to be read."""

    file_bytes: int
    document_bytes: int
    raw_bytes: int

    @property
    def member_bytes(self) -> int:
        """A member holds a group of documents of a mebibyte, or a longer one alone, spelt as JSON."""
        return 6 * (1024 * 1024 + self.document_bytes) + 2 * self.raw_bytes


@dataclass(frozen=True, slots=True)
class Imported:
    """A collection that was brought in, and how many of its documents are being indexed."""

    collection: Collection
    to_index: int


class Importer:
    """Brings collections in.

    Args:
        collections: Where it is seen afterwards.
        store: Keeps what nobody sees yet.
        documents: Says which documents are to be indexed.
        versions: Knows the points that are to be removed.
        vectors: The points.
        embedder: Knows the models that are there.
        starter: Starts ingests.
        sparse: The kind of the sparse vectors, as of the settings.
        retrievers: The names of the ways to search.
        limits: What is taken.
    """

    def __init__(
        self,
        *,
        collections: CollectionStore,
        store: PortableStore,
        documents: DocumentStore,
        versions: VersionStore,
        vectors: VectorStore,
        embedder: Embedder,
        starter: IngestStarter,
        sparse: str,
        retrievers: Sequence[str],
        limits: ImportLimits,
    ) -> None:
        self._collections = collections
        self._store = store
        self._documents = documents
        self._versions = versions
        self._vectors = vectors
        self._embedder = embedder
        self._starter = starter
        self._sparse = sparse
        self._retrievers = retrievers
        self._limits = limits

    async def take(self, tenant: str, name: str, model_id: str, data: AsyncIterable[bytes]) -> Imported:
        """Brings the collection of a file in.

        Vectors are kept where they are of the model that the collection will have, and of the kind of sparse vectors
        that are made here; else documents are embedded anew by workflows that go on whatever happens to this process.

        Args:
            tenant: Whose it will be.
            name: How it will be called; empty: as in the file.
            model_id: The model that will embed it; empty: the file's, or the default one where that is not known here.
            data: The bytes of the file.

        Raises:
            CollectionExists: The tenant has one of this name.
            ImportMalformed: It is not such a file, or has been changed.
            ImportTruncated: It ends too soon.
            ImportTooLarge: It is above a limit.
            OloError: What the embedder says where there is no model; a store is away. Nothing is left of the import.
        """
        members = Members(data, most_bytes=self._limits.file_bytes, most_member_bytes=self._limits.member_bytes)
        member, content = await members.read()
        if member != HEADER:
            raise ImportMalformed("it is not the file of a collection")
        header = lines.header_of(content)
        model = await self._model(model_id, header)
        uid = uuid.uuid4().hex
        retriever = header.retriever if header.retriever in self._retrievers else ""
        made = Collection(
            uid, tenant, name or header.name, model, 0, header.chunking, index_uid=uid, retriever=retriever
        )
        keeps = header.vectors and header.sparse == self._sparse and header.model == model
        await self._store.begin(made)
        try:
            await _Taking(made, header, self._store, self._vectors, self._limits, keeps=keeps).all(members)
            await self._store.commit(made)
        except BaseException:
            await self._give_up(made)
            raise
        return Imported(await self._collections.get(tenant, made.name), await self._index(made))

    async def _model(self, model_id: str, header: Header) -> EmbeddingModel:
        if model_id:
            return await self._embedder.choose("" if model_id == AUTO_MODEL else model_id)
        try:
            return await self._embedder.choose(header.model.model_id)
        except OloError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
        return await self._embedder.choose("")

    async def _give_up(self, made: Collection) -> None:
        # Where this fails too, upkeep removes what is left, within two hours.
        with contextlib.suppress(OloError):
            await self._store.abandon(made)
            await remove_points(self._versions, self._vectors)

    async def _index(self, made: Collection) -> int:
        """Starts the ingests; upkeep starts those that are lost here."""
        found, after, away = 0, "", False
        while page := await self._documents.page(made, after, _PAGE):
            for record in page:
                if record.state is not DocumentState.INDEXING:
                    continue
                found += 1
                if not away:
                    try:
                        await self._starter.start(record.ref)
                    except Unavailable:
                        away = True
            after = page[-1].ref.document_id
        return found


class _Taking:
    """The members of one file, in their order."""

    def __init__(
        self,
        made: Collection,
        header: Header,
        store: PortableStore,
        vectors: VectorStore,
        limits: ImportLimits,
        *,
        keeps: bool,
    ) -> None:
        self._made = made
        self._header = header
        self._store = store
        self._vectors = vectors
        self._limits = limits
        self._keeps = keeps
        self._group: dict[str, MovedDocument] = {}
        self._seen: dict[str, int] = {}
        """Passages so far of each document of the group."""
        self._documents = self._chunks = 0

    async def all(self, members: Members) -> None:
        """Keeps all documents and points, up to the seal, which must hold."""
        number = part = 0
        while True:
            size, sha256 = members.seal
            name, content = await members.read()
            if name == SEAL:
                await self._end_group()
                if content != lines.seal_line(self._documents, self._chunks, size, sha256):
                    raise ImportMalformed("it has been changed since it was written")
                await members.finish()
                return
            if name == documents_name(number + 1):
                await self._end_group()
                number, part = number + 1, 0
                await self._begin_group(content)
            elif number and name == chunks_name(number, part + 1):
                part += 1
                chunks = lines.chunks_of(content)
                rows = await self._rows(members, vectors_name(number, part), len(chunks))
                await self._take(chunks, rows)
            else:
                raise ImportMalformed("its members are not in their order")

    async def _begin_group(self, content: bytes) -> None:
        documents = lines.documents_of(content, self._limits.document_bytes, self._limits.raw_bytes)
        self._group = {document.document_id: document for document in documents}
        if len(self._group) < len(documents):
            raise ImportMalformed("a document is there twice")
        self._seen = dict.fromkeys(self._group, 0)
        self._documents += len(documents)
        kept = [document if self._keeps else replace(document, chunk_count=None) for document in documents]
        await self._store.add(self._made, kept)

    async def _end_group(self) -> None:
        """Where points were lost while the file was written, the document is indexed anew."""
        short = [key for key, seen in self._seen.items() if seen < (self._group[key].chunk_count or 0)]
        if self._keeps and short:
            for document_id in short:
                await self._vectors.delete(self._made.model, self._made.points(document_id))
            await self._store.not_indexed(self._made, short)

    async def _rows(self, members: Members, expected: str, count: int) -> list[list[float]]:
        """The dense vectors of the passages that were read last; none where the file has none."""
        if not self._header.vectors:
            return []
        name, content = await members.read()
        if name != expected:
            raise ImportMalformed("its members are not in their order")
        return lines.rows_of(content, count, self._header.model.dimension)

    async def _take(self, chunks: Sequence[MovedChunk], rows: Sequence[list[float]]) -> None:
        if len(chunks) > _MOST_CHUNKS:
            raise ImportMalformed("a member has too many passages")
        for chunk in chunks:
            document = self._group.get(chunk.document_id)
            if document is None or chunk.index != self._seen[chunk.document_id]:
                raise ImportMalformed("a passage is of no document, or not in its order")
            within = (chunk.parent or (chunk.start, chunk.end))[1] <= len(document.content)
            if not within or chunk.index >= (document.chunk_count or 0):
                raise ImportMalformed("a passage is not in its document")
            self._seen[chunk.document_id] += 1
        self._chunks += len(chunks)
        if self._keeps:
            points = [
                Point(Piece.of(self._group[chunk.document_id], chunk), row, chunk.sparse)
                for chunk, row in zip(chunks, rows, strict=True)
            ]
            await self._vectors.upsert(self._made.model, self._made.points(), points)
