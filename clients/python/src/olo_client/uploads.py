"""Files on their way into a collection: what is sent, and how their indexing is awaited; both clients share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from olo.retrieval.v1.retrieval_service_pb2 import Document, DocumentInput, DocumentState
from olo_client.errors import TimeoutError
from olo_client.requests import document_input

Progress = Callable[[float], None]
"""Is told how far a document has come, 0 to 100."""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def upload_input(path: Path, document_id: str | None, metadata: Mapping[str, str] | None) -> DocumentInput:
    """The document that a file holds, named after it; its ending says how it is read.

    Raises:
        OSError: It cannot be read.
    """
    return document_input(path.read_bytes(), document_id, None, path.name, metadata)


def pauses(wait_seconds: float) -> Iterator[float]:
    """Seconds between two looks at a document, growing.

    Raises:
        TimeoutError: The time for all of them is over.
    """
    deadline, pause = time.monotonic() + wait_seconds, _FIRST_PAUSE
    while (left := deadline - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    raise TimeoutError("DEADLINE_EXCEEDED", "deadline_exceeded", f"the document is not ready after {wait_seconds:g} s")


def is_indexing(document: Document, progress: Progress | None) -> bool:
    """Whether it is still being indexed; tells how far it has come."""
    indexing = document.state == DocumentState.DOCUMENT_STATE_INDEXING
    if progress is not None:
        progress(document.progress.percent if indexing else 100.0)
    return indexing
