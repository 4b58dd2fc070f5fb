"""Messages to plain values and back, and what is wrong with a request."""

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import timedelta

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField, OloError
from olo_contracts.identifiers import AUTO_MODEL, COLLECTION, DEFAULT_TENANT, DOCUMENT_ID, MODEL_ID, is_valid
from olo_retrieval.chunking import Chunking, Strategy
from olo_retrieval.chunking.plan import MIN_TOKENS, MOST_TOKENS
from olo_retrieval.convert_filter import filter_of
from olo_retrieval.drafts import make_draft, make_file_draft, make_url_draft
from olo_retrieval.errors import UrlForbidden
from olo_retrieval.searching.searcher import Query
from olo_retrieval.types import Collection, DocumentRecord, DocumentState, Draft, Hit, IngestStep

MOST_DOCUMENTS = 100
MOST_PASSAGES = 50
DEFAULT_PASSAGES = 4
LONGEST_QUERY = 8192
LONGEST_NAME = 64
LARGEST_PAGE = 1000
DEFAULT_PAGE = 100

_STRATEGIES = {
    pb.CHUNK_STRATEGY_UNSPECIFIED: Strategy.STRUCTURE,
    pb.CHUNK_STRATEGY_STRUCTURE: Strategy.STRUCTURE,
    pb.CHUNK_STRATEGY_PARENT_CHILD: Strategy.PARENT_CHILD,
    pb.CHUNK_STRATEGY_FIXED: Strategy.FIXED,
}
_STRATEGY_VALUES = {strategy: value for value, strategy in _STRATEGIES.items()}
_STEPS = {
    IngestStep.PARSE: pb.INGEST_STEP_PARSE,
    IngestStep.CHUNK: pb.INGEST_STEP_CHUNK,
    IngestStep.EMBED: pb.INGEST_STEP_EMBED,
    IngestStep.SWAP: pb.INGEST_STEP_SWAP,
    IngestStep.DONE: pb.INGEST_STEP_DONE,
}
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


def draft_of(document: pb.DocumentInput, *, max_bytes: int, max_file_bytes: int, fetch_urls: bool) -> Draft:
    """The draft of a document that was handed in."""
    if document.content and (document.data or document.media_type):
        raise InvalidField("document.content", "is given beside a file")
    if document.url:
        if document.content or document.data or document.media_type:
            raise InvalidField("document.url", "is given beside a text or a file")
        if not fetch_urls:
            raise UrlForbidden
        return make_url_draft(
            document_id=document.document_id,
            title=document.title,
            source=document.source,
            url=document.url,
            metadata=dict(document.metadata),
        )
    if document.data or document.media_type:
        return make_file_draft(
            document_id=document.document_id,
            title=document.title,
            source=document.source,
            data=document.data,
            media_type=document.media_type,
            metadata=dict(document.metadata),
            max_bytes=max_file_bytes,
        )
    return make_draft(
        document_id=document.document_id,
        title=document.title,
        source=document.source,
        content=document.content,
        metadata=dict(document.metadata),
        max_bytes=max_bytes,
    )


def chunking_of(message: pb.Chunking) -> Chunking:
    """How a collection's documents are to be cut."""
    strategy = _STRATEGIES.get(message.strategy)
    if strategy is None:
        raise InvalidField("chunking.strategy", "is not known")
    if message.max_tokens and not MIN_TOKENS <= message.max_tokens <= MOST_TOKENS:
        raise InvalidField("chunking.max_tokens", f"must be {MIN_TOKENS} to {MOST_TOKENS}, or 0")
    if message.overlap_tokens > (message.max_tokens or 2 * MIN_TOKENS) // 2:
        raise InvalidField("chunking.overlap_tokens", "is more than half of max_tokens")
    return Chunking(strategy, message.max_tokens, message.overlap_tokens)


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
        chunking=chunking_message(collection.chunking),
        retriever=collection.retriever,
    )
    message.create_time.FromMilliseconds(collection.created_ms)
    return message


def chunking_message(chunking: Chunking) -> pb.Chunking:
    """The message of how documents are cut."""
    return pb.Chunking(
        strategy=_STRATEGY_VALUES[chunking.strategy],
        max_tokens=chunking.max_tokens,
        overlap_tokens=chunking.overlap_tokens,
    )


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
        page_count=record.page_count,
        error_reason=record.error_reason,
        source_id=record.source_id,
        progress=pb.IngestProgress(step=_STEPS[record.progress.step], percent=record.progress.percent),
    )
    if record.progress.eta_seconds is not None:
        message.progress.eta.FromTimedelta(timedelta(seconds=record.progress.eta_seconds))
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
        # To copy a map takes as long as all the rest, be it an empty one.
        metadata=piece.metadata or None,
        page=piece.page or 0,
        heading_path=piece.headings,
        parent_text=piece.parent,
    )


def _spelt(field: str, value: str, pattern: re.Pattern[str], rule: str) -> str:
    if not is_valid(pattern, value):
        raise InvalidField(field, f"must be {rule}")
    return value
