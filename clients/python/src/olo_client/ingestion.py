"""Files into a collection: which ones, under which id, and how far each has come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from olo.retrieval.v1.retrieval_service_pb2 import DocumentState
from olo_client.async_client import AsyncOlo
from olo_client.errors import ConflictError, OloError

SUFFIXES = (".md", ".txt")


@dataclass(frozen=True)
class FileOutcome:
    """How one file has ended: with the passages it was cut into, or with an error."""

    path: Path
    chunk_count: int = 0
    error: str | None = None


def files_under(path: Path) -> list[Path]:
    """The file itself, or every .md and .txt file of a folder, hidden ones left out."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES
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


async def ingest_files(
    olo: AsyncOlo, collection: str, root: Path, files: Sequence[Path], *, at_once: int = 4, wait_seconds: float = 300.0
) -> AsyncIterator[FileOutcome]:
    """Ingests files and gives each outcome when it is known; an error of one does not stop the others.

    Args:
        olo: The client.
        collection: An existing collection.
        root: Sources are named relative to it.
        files: What to ingest.
        at_once: Files on their way at the same time.
        wait_seconds: How long a file may take to become ready.
    """
    slots = asyncio.Semaphore(at_once)

    async def one(path: Path) -> FileOutcome:
        async with slots:
            try:
                async with asyncio.timeout(wait_seconds):
                    return await _ingest(olo, collection, root, path)
            except OloError as error:
                return FileOutcome(path, error=error.message)
            except TimeoutError:
                return FileOutcome(path, error=f"not ready after {wait_seconds:g} s")

    tasks = [asyncio.create_task(one(path)) for path in files]
    try:
        for outcome in asyncio.as_completed(tasks):
            yield await outcome
    finally:
        for task in tasks:
            task.cancel()


async def _ingest(olo: AsyncOlo, collection: str, root: Path, path: Path) -> FileOutcome:
    try:
        content = await asyncio.to_thread(path.read_text, encoding="utf-8")
    except UnicodeDecodeError:
        return FileOutcome(path, error="not UTF-8 text")
    except OSError as error:
        return FileOutcome(path, error=error.strerror or "cannot be read")
    source = path.relative_to(root).as_posix()
    document = await olo.documents.ingest(collection, content, document_id=document_id_of(source), source=source)
    pause = 0.05
    while document.state == DocumentState.DOCUMENT_STATE_INDEXING:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
        document = await olo.documents.get(collection, document.document_id)
    if document.state == DocumentState.DOCUMENT_STATE_FAILED:
        return FileOutcome(path, error=document.error or "indexing failed")
    return FileOutcome(path, chunk_count=document.chunk_count)
