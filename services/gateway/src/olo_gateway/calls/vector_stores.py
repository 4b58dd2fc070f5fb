"""Vector stores: collections of retrieval, whose documents are files of callers."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField, OloError
from olo_contracts.identifiers import COLLECTION, is_valid
from olo_gateway.batches.order import check_metadata
from olo_gateway.convert.attributes import Attribute, metadata_of
from olo_gateway.errors import FilesDisabled, FileTooLarge, ObjectMissing, StoredFileNotFound, VectorStoreNotFound
from olo_gateway.files.objects import ObjectStore, get_json, put_json
from olo_gateway.files.shelf import Shelf
from olo_gateway.ports import Documents

PREFIX: Final = "vs_"
MOST_FILES: Final = 500
"""Files of one batch: each is read and handed on while its caller waits."""
_MAX_DOCUMENT_BYTES: Final = 15 * 1024 * 1024
"""What a call to the retrieval service carries."""
_NAME_LENGTH: Final = 256
_BATCH_ID: Final = re.compile(r"vsfb_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Label:
    """What callers note on a vector store."""

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VectorStore:
    """A collection, its label and its documents."""

    collection: pb.Collection
    label: Label
    documents: Sequence[pb.Document]

    @property
    def store_id(self) -> str:
        """Its id: the collection's name with a prefix, so that every collection is a vector store."""
        return PREFIX + self.collection.name


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is to be searched."""

    file_id: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    chunking: pb.Chunking | None = None


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Files that were attached together: where they stand, and which were refused, with why."""

    batch_id: str
    store_id: str
    created: int
    documents: Sequence[pb.Document]
    refused: Mapping[str, tuple[str, str]]


class VectorStores:
    """Vector stores of all tenants; each call sees those of one.

    Args:
        retrieval: Collections and documents.
        shelf: The files.
        objects: Where labels are kept.
    """

    def __init__(self, retrieval: Documents, shelf: Shelf, objects: ObjectStore) -> None:
        self._retrieval = retrieval
        self._shelf = shelf
        self._objects = objects

    async def create(
        self, tenant: str, label: Label, chunking: pb.Chunking | None, file_ids: Sequence[str]
    ) -> VectorStore:
        """Makes a store, and attaches files to it.

        Raises:
            OloError: A field is wrong, or a file is not there; then nothing is made.
        """
        _check(label)
        for file_id in file_ids:
            await self._shelf.get(tenant, file_id, "file_ids")
        name = f"{int(time.time() * 1000):012x}{uuid.uuid4().hex[:12]}"
        await self._put(tenant, name, label)
        await self._retrieval.create_collection(tenant, name, chunking=chunking)
        if file_ids:
            await self.attach_all(tenant, PREFIX + name, [Attachment(file_id) for file_id in file_ids])
        return await self.get(tenant, PREFIX + name)

    async def get(self, tenant: str, store_id: str) -> VectorStore:
        """One store.

        Raises:
            VectorStoreNotFound: The tenant has no such store.
        """
        collection = await self._collection(tenant, store_id)
        return await self._whole(tenant, collection)

    async def all(self, tenant: str) -> list[VectorStore]:
        """All stores, newest first."""
        collections = await self._retrieval.collections(tenant)
        collections.sort(key=lambda each: (each.create_time.ToNanoseconds(), each.name), reverse=True)
        return [await self._whole(tenant, collection) for collection in collections]

    async def update(
        self, tenant: str, store_id: str, name: str | None, metadata: Mapping[str, str] | None
    ) -> VectorStore:
        """Sets name and metadata; None leaves them as they are."""
        store = await self.get(tenant, store_id)
        label = Label(
            store.label.name if name is None else name, store.label.metadata if metadata is None else metadata
        )
        _check(label)
        await self._put(tenant, store.collection.name, label)
        return VectorStore(store.collection, label, store.documents)

    async def delete(self, tenant: str, store_id: str) -> None:
        """Deletes a store; the files stay."""
        collection = await self._collection(tenant, store_id)
        await self._retrieval.delete_collection(tenant, collection.name)
        await self._objects.delete(_label(tenant, collection.name))

    async def attach(self, tenant: str, store_id: str, attachment: Attachment) -> pb.Document:
        """Has a file searched, once it is indexed; the same file again takes the place of what was.

        Raises:
            OloError: The file is not there, or is of no kind that is read.
        """
        collection = await self._collection(tenant, store_id)
        return await self._attach(tenant, collection, attachment)

    async def attach_all(self, tenant: str, store_id: str, attachments: Sequence[Attachment]) -> FileBatch:
        """Attaches several files; one that is refused does not stop the others."""
        if not 1 <= len(attachments) <= MOST_FILES:
            raise InvalidField("file_ids", f"1 to {MOST_FILES} files are taken at once")
        collection = await self._collection(tenant, store_id)
        documents: list[pb.Document] = []
        refused: dict[str, tuple[str, str]] = {}
        for each in attachments:
            try:
                documents.append(await self._attach(tenant, collection, each))
            except OloError as error:
                if error.retryable:
                    raise
                refused[each.file_id] = (error.reason, error.message)
        batch_id = f"vsfb_{uuid.uuid4().hex}"
        record = {
            "store_id": store_id,
            "created": int(time.time()),
            "file_ids": [document.document_id for document in documents],
            "refused": refused,
        }
        await put_json(self._objects, _batch(tenant, batch_id), record)
        return FileBatch(batch_id, store_id, int(time.time()), documents, refused)

    async def batch(self, tenant: str, store_id: str, batch_id: str) -> FileBatch:
        """Files that were attached together, as they stand now. Those that were detached are left out."""
        if not _BATCH_ID.fullmatch(batch_id):
            raise VectorStoreNotFound
        try:
            record: dict[str, Any] = await get_json(self._objects, _batch(tenant, batch_id))
        except ObjectMissing:
            raise VectorStoreNotFound from None
        if record["store_id"] != store_id:
            raise VectorStoreNotFound
        wanted = set(record["file_ids"])
        found = [each for each in await self.documents(tenant, store_id) if each.document_id in wanted]
        refused = {file_id: (why[0], why[1]) for file_id, why in record["refused"].items()}
        return FileBatch(batch_id, store_id, record["created"], found, refused)

    async def documents(self, tenant: str, store_id: str) -> list[pb.Document]:
        """The files of a store, newest first."""
        collection = await self._collection(tenant, store_id)
        found = await self._retrieval.documents(tenant, collection.name)
        return sorted(found, key=lambda each: (each.create_time.ToNanoseconds(), each.document_id), reverse=True)

    async def document(self, tenant: str, store_id: str, file_id: str) -> pb.Document:
        """A file of a store."""
        collection = await self._collection(tenant, store_id)
        try:
            return await self._retrieval.document(tenant, collection.name, file_id)
        except OloError as error:
            raise _no_file(error) from error

    async def detach(self, tenant: str, store_id: str, file_id: str) -> None:
        """Has a file searched no longer; the file stays."""
        collection = await self._collection(tenant, store_id)
        try:
            await self._retrieval.delete(tenant, collection.name, file_id)
        except OloError as error:
            raise _no_file(error) from error

    async def search(self, store_id: str, request: pb.SearchRequest, queries: Sequence[str]) -> list[pb.Passage]:
        """The passages that fit any of the queries, best first, each once.

        Args:
            store_id: The store.
            request: How to search; `tenant` is set, `collection` and `query` are not.
            queries: What is looked for.
        """
        collection = await self._collection(request.tenant, store_id)
        best: dict[str, pb.Passage] = {}
        for query in queries:
            asked = pb.SearchRequest()
            asked.CopyFrom(request)
            asked.collection, asked.query = collection.name, query
            for passage in await self._retrieval.search(asked):
                known = best.get(passage.chunk_id)
                if known is None or known.rank_score < passage.rank_score:
                    best[passage.chunk_id] = passage
        ranked = sorted(best.values(), key=lambda passage: -passage.rank_score) if len(queries) > 1 else best.values()
        return list(ranked)[: request.top_k]

    async def _attach(self, tenant: str, collection: pb.Collection, attachment: Attachment) -> pb.Document:
        if attachment.chunking is not None and attachment.chunking != collection.chunking:
            raise InvalidField("chunking_strategy", "is one for the whole vector store, and set when that is created")
        metadata = metadata_of(attachment.attributes)
        file = await self._shelf.get(tenant, attachment.file_id)
        if file.size > _MAX_DOCUMENT_BYTES:
            raise FileTooLarge(_MAX_DOCUMENT_BYTES)
        async with aclosing(self._shelf.read(tenant, file.file_id)) as pieces:
            data = b"".join([piece async for piece in pieces])
        document = pb.DocumentInput(
            document_id=file.file_id, title=file.filename, source=file.filename, data=data, metadata=metadata
        )
        return await self._retrieval.ingest_one(tenant, collection.name, document)

    async def _collection(self, tenant: str, store_id: str) -> pb.Collection:
        name = store_id.removeprefix(PREFIX)
        if name == store_id or not is_valid(COLLECTION, name):
            raise VectorStoreNotFound
        try:
            return await self._retrieval.collection(tenant, name)
        except OloError as error:
            if error.reason == "collection_not_found":
                raise VectorStoreNotFound from error
            raise

    async def _whole(self, tenant: str, collection: pb.Collection) -> VectorStore:
        documents = await self._retrieval.documents(tenant, collection.name)
        return VectorStore(collection, await self._label(tenant, collection.name), documents)

    async def _label(self, tenant: str, name: str) -> Label:
        try:
            return Label(**await get_json(self._objects, _label(tenant, name)))
        except (ObjectMissing, FilesDisabled):
            return Label(name)

    async def _put(self, tenant: str, name: str, label: Label) -> None:
        await put_json(self._objects, _label(tenant, name), {"name": label.name, "metadata": dict(label.metadata)})


def _check(label: Label) -> None:
    if len(label.name) > _NAME_LENGTH:
        raise InvalidField("name", f"may have at most {_NAME_LENGTH} characters")
    check_metadata(label.metadata)


def _no_file(error: OloError) -> OloError:
    """A file that is not attached is, in this dialect, a file that is not there."""
    return StoredFileNotFound() if error.reason in ("document_not_found", "field_invalid") else error


def _label(tenant: str, name: str) -> str:
    return f"vector-stores/{tenant}/{name}.json"


def _batch(tenant: str, batch_id: str) -> str:
    return f"file-batches/{tenant}/{batch_id}.json"
