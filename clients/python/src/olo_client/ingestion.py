"""Files into a collection: which ones, under which id, and how far each has come."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from olo.retrieval.v1.retrieval_service_pb2 import Document, DocumentState
from olo_client.async_client import AsyncOlo
from olo_client.errors import ConflictError, OloError
from olo_client.uploads import is_indexing, pauses
from olo_contracts.files import ENDINGS, READABLE

FOLDER_KEY = "folder"
"""The entry of a document's metadata that says by which folder it is kept in step."""

_SENT_AS_TEXT = frozenset(f".{ending}" for name in ("text", "markdown") for ending in ENDINGS[name])

Report = Callable[[Path, float], None]


@dataclass(frozen=True)
class FileOutcome:
    """How one file has ended: with the passages it was cut into, or with an error."""

    path: Path
    chunk_count: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Ingestion:
    """Into what files are ingested, and how.

    Attributes:
        olo: The client.
        collection: An existing collection.
        root: Sources are named relative to it.
        wait_seconds: How long a file may take to become ready.
        metadata: Goes with each document.
        present: Documents that are there, by id; a file that is there unchanged is not sent again.
        report: Is told each file and how far it has come, 0 to 100.
    """

    olo: AsyncOlo
    collection: str
    root: Path
    wait_seconds: float = 300.0
    metadata: Mapping[str, str] = field(default_factory=dict)
    present: Mapping[str, Document] = field(default_factory=dict)
    report: Report = lambda _path, _percent: None


def files_under(path: Path) -> list[Path]:
    """The file itself, or every file of a folder whose text can be read, hidden ones left out."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower().removeprefix(".") in READABLE
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def document_id_of(source: str) -> str:
    """A document id from a relative path: `guides/My tram.md` becomes `guides.My-tram.md`."""
    spelled = re.sub(r"[^A-Za-z0-9._:-]+", "-", source.replace("/", "."))
    return re.sub(r"\.{2,}", ".", spelled).lstrip("._:-")[:128]


async def ensure_collection(olo: AsyncOlo, name: str) -> None:
    """Makes the collection unless it is there."""
    try:
        await olo.collections.create(name)
    except ConflictError as error:
        if error.reason == "request_id_conflict":
            raise


async def ingest_files(ingestion: Ingestion, files: Sequence[Path], *, at_once: int = 4) -> AsyncIterator[FileOutcome]:
    """Ingests files, `at_once` at a time, and gives each outcome when it is known; no error stops the others."""
    slots = asyncio.Semaphore(at_once)

    async def one(path: Path) -> FileOutcome:
        async with slots:
            try:
                async with asyncio.timeout(ingestion.wait_seconds):
                    outcome = await _ingest(ingestion, path)
            except OloError as error:
                outcome = FileOutcome(path, error=error.message)
            except TimeoutError:
                outcome = FileOutcome(path, error=f"not ready after {ingestion.wait_seconds:g} s")
            ingestion.report(path, 100.0)
            return outcome

    tasks = [asyncio.create_task(one(path)) for path in files]
    try:
        for outcome in asyncio.as_completed(tasks):
            yield await outcome
    finally:
        for task in tasks:
            task.cancel()


async def ingest_page(ingestion: Ingestion, url: str) -> Document:
    """Has the service fetch a page of the web, and waits until it is ready or has failed.

    Raises:
        OloError: The service refuses it.
        TimeoutError: It takes longer than a file may.
    """
    document = await ingestion.olo.documents.ingest_url(ingestion.collection, url)
    async with asyncio.timeout(ingestion.wait_seconds):
        return await _settled(ingestion, document, ingestion.root)


async def of_folder(olo: AsyncOlo, collection: str, folder: str) -> dict[str, Document]:
    """The documents of a collection that are kept in step with a folder of this name, by id."""
    found = olo.documents.list(collection)
    return {document.document_id: document async for document in found if document.metadata.get(FOLDER_KEY) == folder}


async def delete_missing(ingestion: Ingestion, files: Sequence[Path]) -> int:
    """Deletes the documents of the folder whose files are gone; gives their number."""
    kept = {document_id_of(path.relative_to(ingestion.root).as_posix()) for path in files}
    gone = [document_id for document_id in ingestion.present if document_id not in kept]
    for document_id in gone:
        await ingestion.olo.documents.delete(ingestion.collection, document_id)
    return len(gone)


async def _ingest(ingestion: Ingestion, path: Path) -> FileOutcome:
    documents, collection = ingestion.olo.documents, ingestion.collection
    try:
        data = await asyncio.to_thread(path.read_bytes)
        content = data.decode() if path.suffix.lower() in _SENT_AS_TEXT else data
    except UnicodeDecodeError:
        return FileOutcome(path, error="not UTF-8 text")
    except OSError as error:
        return FileOutcome(path, error=error.strerror or "cannot be read")
    source = path.relative_to(ingestion.root).as_posix()
    document_id = document_id_of(source)
    document = ingestion.present.get(document_id)
    if document is None or not _is_same(document, data):
        document = await documents.ingest(
            collection, content, document_id=document_id, source=source, metadata=ingestion.metadata
        )
    document = await _settled(ingestion, document, path)
    if document.state == DocumentState.DOCUMENT_STATE_FAILED:
        return FileOutcome(path, error=document.error or "indexing failed")
    return FileOutcome(path, chunk_count=document.chunk_count)


async def _settled(ingestion: Ingestion, document: Document, path: Path) -> Document:
    # Whoever calls this bounds the time: sending the file is part of it.
    waits = pauses(math.inf)
    while is_indexing(document, lambda percent: ingestion.report(path, percent)):
        await asyncio.sleep(next(waits))
        document = await ingestion.olo.documents.get(ingestion.collection, document.document_id)
    return document


def _is_same(document: Document, data: bytes) -> bool:
    ready = document.state == DocumentState.DOCUMENT_STATE_READY
    return ready and document.content_sha256 == hashlib.sha256(data).hexdigest()
