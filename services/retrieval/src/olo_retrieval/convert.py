"""Messages to plain values and back, and what is wrong with a request."""

from __future__ import annotations

import base64
import binascii
import math
import re

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField, OloError
from olo_contracts.identifiers import AUTO_MODEL, COLLECTION, DEFAULT_TENANT, DOCUMENT_ID, MODEL_ID, is_valid
from olo_retrieval.convert_filter import filter_of
from olo_retrieval.drafts import make_draft
from olo_retrieval.searching.searcher import Query
from olo_retrieval.types import Collection, DocumentRecord, DocumentState, Draft, Hit

MOST_DOCUMENTS = 100
MOST_PASSAGES = 50
DEFAULT_PASSAGES = 4
LONGEST_QUERY = 8192
LONGEST_NAME = 64
LARGEST_PAGE = 1000
DEFAULT_PAGE = 100

_STATES = {
    DocumentState.INDEXING: pb.DOCUMENT_STATE_INDEXING,
    DocumentState.READY: pb.DOCUMENT_STATE_READY,
    DocumentState.FAILED: pb.DOCUMENT_STATE_FAILED,
}


def tenant_of(value: str) -> str:
    """The tenant; empty means the default one."""
    return _spelt("tenant", value or DEFAULT_TENANT, DOCUMENT_ID, "1 to 128 letters, digits and ._:-")


def collection_name(value: str, field: str = "collection") -> str:
    """A collection name that is spelt as it must be."""
    return _spelt(field, value, COLLECTION, "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")


def document_id(value: str) -> str:
    """A document id that is spelt as it must be."""
    return _spelt("document_id", value, DOCUMENT_ID, "1 to 128 letters, digits and ._:-")


def embedding_model_id(value: str) -> str:
    """The model that is asked for; empty for the default."""
    if value in ("", AUTO_MODEL):
        return ""
    return _spelt("embedding_model_id", value, MODEL_ID, "1 to 128 letters, digits and ._:/-")


def draft_of(document: pb.DocumentInput, max_bytes: int) -> Draft:
    """The draft of a document that was handed in."""
    return make_draft(
        document_id=document.document_id,
        title=document.title,
        source=document.source,
        content=document.content,
        metadata=dict(document.metadata),
        max_bytes=max_bytes,
    )


def query_of(request: pb.SearchRequest) -> Query:
    """The query of a search."""
    if not request.query.strip():
        raise InvalidField("query", "is empty")
    if len(request.query) > LONGEST_QUERY:
        raise InvalidField("query", f"more than {LONGEST_QUERY} characters")
    if request.top_k > MOST_PASSAGES:
        raise InvalidField("top_k", f"more than {MOST_PASSAGES}")
    min_score = request.min_score if request.HasField("min_score") else None
    if min_score is not None and math.isnan(min_score):
        raise InvalidField("min_score", "is not a number")
    if len(request.retriever) > LONGEST_NAME:
        raise InvalidField("retriever", f"more than {LONGEST_NAME} characters")
    mmr_lambda = request.mmr_lambda if request.HasField("mmr_lambda") else None
    if mmr_lambda is not None and not 0 <= mmr_lambda <= 1:
        raise InvalidField("mmr_lambda", "must be 0 to 1")
    if mmr_lambda is not None and request.rerank:
        raise InvalidField("mmr_lambda", "cannot be joined with rerank, which orders by another measure")
    return Query(
        tenant=tenant_of(request.tenant),
        collection=collection_name(request.collection),
        text=request.query,
        top_k=request.top_k or DEFAULT_PASSAGES,
        min_score=min_score,
        retriever=request.retriever,
        filter=filter_of(request.filter) if request.HasField("filter") else None,
        mmr_lambda=mmr_lambda,
        rerank=request.rerank,
    )


def page_of(size: int, token: str) -> tuple[int, str]:
    """The size of a page, and the key after which it begins."""
    if size > LARGEST_PAGE:
        raise InvalidField("page_size", f"more than {LARGEST_PAGE}")
    try:
        return size or DEFAULT_PAGE, base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidField("page_token", "is not one that was given out") from None


def token_of(last_key: str) -> str:
    """The token of the page that begins after this key."""
    return base64.urlsafe_b64encode(last_key.encode()).decode()


def to_collection(collection: Collection) -> pb.Collection:
    """The message of a collection."""
    message = pb.Collection(
        name=collection.name,
        embedding_model_id=collection.model.model_id,
        dimension=collection.model.dimension,
        document_count=collection.document_count,
        chunk_count=collection.chunk_count,
    )
    message.create_time.FromMilliseconds(collection.created_ms)
    return message


def to_document(record: DocumentRecord) -> pb.Document:
    """The message of a document."""
    message = pb.Document(
        document_id=record.ref.document_id,
        collection=record.ref.collection,
        title=record.title,
        source=record.source,
        version=record.ref.version,
        state=_STATES[record.state],
        chunk_count=record.chunk_count,
        error=record.error,
        size_bytes=record.size_bytes,
        content_sha256=record.sha256,
        workflow_id=record.ref.workflow_id,
        metadata=record.metadata,
    )
    message.create_time.FromMilliseconds(record.created_ms)
    message.update_time.FromMilliseconds(record.updated_ms)
    return message


def to_result(outcome: DocumentRecord | OloError, document_id: str) -> pb.IngestDocumentResult:
    """The message of one outcome of several."""
    if isinstance(outcome, OloError):
        error = pb.IngestError(document_id=document_id, reason=outcome.reason, message=outcome.message)
        return pb.IngestDocumentResult(error=error)
    return pb.IngestDocumentResult(document=to_document(outcome))


def to_passage(hit: Hit) -> pb.Passage:
    """The message of a passage."""
    piece = hit.piece
    return pb.Passage(
        chunk_id=f"{piece.document_id}@{piece.version}#{piece.index}",
        document_id=piece.document_id,
        title=piece.title,
        source=piece.source,
        score=hit.similarity,
        rank_score=hit.score,
        text=piece.text,
        start_offset=piece.start,
        end_offset=piece.end,
        document_version=piece.version,
        metadata=piece.metadata,
    )


def _spelt(field: str, value: str, pattern: re.Pattern[str], rule: str) -> str:
    if not is_valid(pattern, value):
        raise InvalidField(field, f"must be {rule}")
    return value
