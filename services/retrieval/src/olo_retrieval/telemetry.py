"""What the retrieval service measures of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from olo_common.metrics import SECONDS, Counter, Histogram
from olo_common.tracing import error_type
from olo_retrieval.searching.searcher import Found

SEARCHES: Final = Histogram(
    "olo_search_duration",
    "Searches, the embedding of the query included; `retriever` is empty and `error_type` is not where one failed.",
    ("retriever", "error_type"),
    SECONDS,
)
PASSAGES: Final = Histogram(
    "olo_search_passages", "Passages that a search has found.", buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128)
)
DOCUMENTS: Final = Counter(
    "olo_documents_ingested", "Versions of documents that were `served` at last, or have `failed`.", ("outcome",)
)
CHUNKS: Final = Counter("olo_chunks_indexed", "Chunks that were embedded and stored.")
SYNCS: Final = Counter("olo_source_syncs", "Syncs of sources that have ended: `succeeded` or `failed`.", ("outcome",))
INSTRUMENTS: Final = (SEARCHES, PASSAGES, DOCUMENTS, CHUNKS, SYNCS)

Seen = Callable[[Found], None]
"""Takes what was found."""


@contextmanager
def search() -> Iterator[Seen]:
    """Measures the search in the body, which gives what it has found to what it gets."""
    began, retriever, problem = time.monotonic(), "", "cancelled"

    def seen(found: Found) -> None:
        nonlocal retriever
        retriever = found.retriever
        PASSAGES.record(len(found.hits))

    try:
        yield seen
        problem = ""
    except Exception as error:
        problem = error_type(error)
        raise
    finally:
        SEARCHES.record(time.monotonic() - began, retriever=retriever, error_type=problem)
