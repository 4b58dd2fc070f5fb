"""The shapes of documents and searches, in our own words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from olo_common.described import Described


class _Model(Described, BaseModel):
    pass


class CollectionRequest(_Model):
    name: str
    """1 to 63 of a-z, 0-9, _ and -."""
    embedding_model: str = ""
    """Empty: the default embedding model."""
    strategy: Literal["structure", "parent_child", "fixed"] = "structure"
    """What a passage is."""
    max_tokens: int = 0
    """Of a passage, 16 to 1000; 0: what the service is set to."""
    overlap_tokens: int = 0
    """At most half of max_tokens."""


class Collection(_Model):
    name: str
    embedding_model: str
    dimension: int
    documents: int
    chunks: int
    created_at: int
    strategy: str


class CollectionList(_Model):
    data: list[Collection]


class ImportAnswer(_Model):
    collection: Collection
    documents_to_index: int
    """Documents that are being indexed: their vectors were not in the file, or are of another model."""


class DocumentInput(_Model):
    """Exactly one of `content`, `file_id` and `url` is given."""

    document_id: str = ""
    """Empty: made from the source, or from the content."""
    title: str = ""
    """Empty: the first heading or line."""
    source: str = ""
    """Where it came from."""
    content: str | None = None
    """Plain text or Markdown."""
    file_id: str | None = None
    """A file of /v1/files: PDF, Office, HTML, tables, code, text."""
    url: str | None = None
    """A public page, where the operator allows it."""
    metadata: dict[str, str] = {}


class IngestRequest(_Model):
    collection: str
    documents: Annotated[list[DocumentInput], Field(min_length=1, max_length=100)]


class Document(_Model):
    document_id: str
    collection: str
    title: str
    source: str
    version: int
    state: Literal["indexing", "ready", "failed"]
    percent: float
    """How far the indexing has come."""
    chunks: int
    bytes: int
    error: str | None
    error_reason: str | None
    """Why indexing failed, as a word for programs."""
    metadata: dict[str, str]
    created_at: int
    updated_at: int


class Refusal(_Model):
    code: str
    message: str


class IngestResult(_Model):
    """Either the document, which is being indexed, or why it was refused."""

    document: Document | None = None
    error: Refusal | None = None


class IngestAnswer(_Model):
    results: list[IngestResult]
    """One for each document, in their order."""


class DocumentList(_Model):
    data: list[Document]
    next_page_token: str | None


class Deleted(_Model):
    deleted: Literal[True] = True


class SearchRequest(_Model):
    collection: str
    query: str
    top_k: Annotated[int, Field(ge=1, le=50)] = 4
    min_score: float | None = None
    """Passages below this cosine are left out."""
    retriever: str = ""
    """`dense`, `sparse`, `hybrid` or another one that is installed; empty: what the service is set to."""
    mmr_lambda: float | None = None
    """0 to 1: chooses passages that differ from each other."""
    rerank: bool = False
    filter: dict[str, Any] | None = None
    """`{"type": "eq", "key": "year", "value": "2024"}`, or `and` or `or` of such in `filters`."""


class Passage(_Model):
    chunk_id: str
    document_id: str
    title: str
    source: str
    score: float
    """Cosine similarity to the query."""
    rank_score: float
    """What passages are ordered by."""
    text: str
    start_offset: int
    """In characters of the document."""
    end_offset: int
    page: int | None
    heading_path: list[str]
    parent_text: str | None
    metadata: dict[str, str]


class SearchAnswer(_Model):
    passages: list[Passage]
