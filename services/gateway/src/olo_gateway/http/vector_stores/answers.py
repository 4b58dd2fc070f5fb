"""Vector stores in the dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_gateway.calls.vector_stores import FileBatch, VectorStore
from olo_gateway.convert.attributes import attributes_of
from olo_gateway.http.vector_stores import schemas

_STATES: Final[dict[int, Literal["in_progress", "completed", "failed"]]] = {
    pb.DOCUMENT_STATE_READY: "completed",
    pb.DOCUMENT_STATE_FAILED: "failed",
}
_UNSUPPORTED: Final = ("document_type",)
_OURS: Final = ("internal", "dependency_unavailable", "embedding_mismatch", "model_not_found", "no_model_available")


def chunking_of(given: schemas.Chunking | None) -> pb.Chunking | None:
    """How documents are to be cut; None: as the service is set.

    Raises:
        InvalidField: Numbers are missing or wrong.
    """
    if given is None or given.type == "auto":
        return None
    if given.static is None:
        raise InvalidField("chunking_strategy.static", "is needed with static")
    size, overlap = given.static.max_chunk_size_tokens, given.static.chunk_overlap_tokens
    if not 16 <= size <= 1000:
        raise InvalidField("chunking_strategy.static.max_chunk_size_tokens", "must be from 16 to 1000")
    if not 0 <= overlap <= size // 2:
        raise InvalidField("chunking_strategy.static.chunk_overlap_tokens", "must be at most half of the size")
    return pb.Chunking(strategy=pb.CHUNK_STRATEGY_STRUCTURE, max_tokens=size, overlap_tokens=overlap)


def store_of(store: VectorStore) -> schemas.Store:
    """A vector store."""
    counts = _counts(store.documents)
    changed = [document.update_time.seconds for document in store.documents]
    created = store.collection.create_time.seconds
    return schemas.Store(
        id=store.store_id,
        created_at=created,
        name=store.label.name,
        metadata=dict(store.label.metadata),
        status="in_progress" if counts.in_progress else "completed",
        usage_bytes=sum(document.size_bytes for document in store.documents),
        file_counts=counts,
        last_active_at=max([created, *changed]),
    )


def file_of(document: pb.Document, store_id: str) -> schemas.StoreFile:
    """A file of a vector store."""
    return schemas.StoreFile(
        id=document.document_id,
        created_at=document.create_time.seconds,
        vector_store_id=store_id,
        status=_STATES.get(document.state, "in_progress"),
        usage_bytes=document.size_bytes,
        last_error=_error(document) if document.state == pb.DOCUMENT_STATE_FAILED else None,
        attributes=attributes_of(document.metadata),
    )


def batch_of(batch: FileBatch) -> schemas.StoreFileBatch:
    """Files that were attached together."""
    counts = _counts(batch.documents, len(batch.refused))
    ended: Literal["completed", "failed"] = "completed" if counts.completed or not counts.failed else "failed"
    return schemas.StoreFileBatch(
        id=batch.batch_id,
        created_at=batch.created,
        vector_store_id=batch.store_id,
        status="in_progress" if counts.in_progress else ended,
        file_counts=counts,
    )


def hit_of(passage: pb.Passage) -> schemas.SearchHit:
    """A passage that was found."""
    return schemas.SearchHit(
        file_id=passage.document_id,
        filename=passage.source,
        score=round(max(0.0, passage.score), 4),
        attributes=attributes_of(passage.metadata),
        content=[schemas.Content(text=passage.text)],
    )


def _counts(documents: Sequence[pb.Document], refused: int = 0) -> schemas.FileCounts:
    states = [_STATES.get(document.state, "in_progress") for document in documents]
    return schemas.FileCounts(
        in_progress=states.count("in_progress"),
        completed=states.count("completed"),
        failed=states.count("failed") + refused,
        total=len(states) + refused,
    )


def _error(document: pb.Document) -> schemas.LastError:
    code: Literal["server_error", "unsupported_file", "invalid_file"] = "invalid_file"
    if document.error_reason in _UNSUPPORTED:
        code = "unsupported_file"
    elif document.error_reason in _OURS:
        code = "server_error"
    return schemas.LastError(code=code, message=document.error)
