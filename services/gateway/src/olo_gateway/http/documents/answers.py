"""Documents and passages in our own words."""

from __future__ import annotations

from typing import Final, Literal

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_gateway.http.documents import schemas

_STATES: Final[dict[int, Literal["ready", "failed"]]] = {
    pb.DOCUMENT_STATE_READY: "ready",
    pb.DOCUMENT_STATE_FAILED: "failed",
}


def collection_of(collection: pb.Collection) -> schemas.Collection:
    """A collection."""
    return schemas.Collection(
        name=collection.name,
        embedding_model=collection.embedding_model_id,
        dimension=collection.dimension,
        documents=collection.document_count,
        chunks=collection.chunk_count,
        created_at=collection.create_time.seconds,
        strategy=pb.ChunkStrategy.Name(collection.chunking.strategy).removeprefix("CHUNK_STRATEGY_").lower(),
    )


def document_of(document: pb.Document) -> schemas.Document:
    """A document."""
    return schemas.Document(
        document_id=document.document_id,
        collection=document.collection,
        title=document.title,
        source=document.source,
        version=document.version,
        state=_STATES.get(document.state, "indexing"),
        percent=round(document.progress.percent, 1),
        chunks=document.chunk_count,
        bytes=document.size_bytes,
        error=document.error or None,
        error_reason=document.error_reason or None,
        metadata=dict(document.metadata),
        created_at=document.create_time.seconds,
        updated_at=document.update_time.seconds,
    )


def result_of(result: pb.IngestDocumentResult) -> schemas.IngestResult:
    """What became of one document of many."""
    if result.HasField("error"):
        return schemas.IngestResult(error=schemas.Refusal(code=result.error.reason, message=result.error.message))
    return schemas.IngestResult(document=document_of(result.document))


def passage_of(passage: pb.Passage) -> schemas.Passage:
    """A passage."""
    return schemas.Passage(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        title=passage.title,
        source=passage.source,
        score=round(passage.score, 4),
        rank_score=round(passage.rank_score, 4),
        text=passage.text,
        start_offset=passage.start_offset,
        end_offset=passage.end_offset,
        page=passage.page or None,
        heading_path=list(passage.heading_path),
        parent_text=passage.parent_text or None,
        metadata=dict(passage.metadata),
    )
