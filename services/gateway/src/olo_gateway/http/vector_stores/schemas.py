"""The shapes of vector stores in the OpenAI dialect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from olo_common.described import Described

Attributes = dict[str, str | float | bool]


class _Model(Described, BaseModel):
    pass


class StaticChunking(_Model):
    max_chunk_size_tokens: int
    """16 to 1000."""
    chunk_overlap_tokens: int
    """At most half of it."""


class Chunking(_Model):
    type: Literal["auto", "static"]
    static: StaticChunking | None = None
    """Needed with `static`."""


class StoreRequest(_Model):
    name: str | None = None
    description: str | None = None
    """Not supported; use `metadata`."""
    file_ids: list[str] | None = None
    metadata: dict[str, str] | None = None
    chunking_strategy: Chunking | None = None
    """Of all files of the store."""
    expires_after: Any = None
    """Not supported."""


class StoreUpdate(_Model):
    name: str | None = None
    metadata: dict[str, str] | None = None
    expires_after: Any = None
    """Not supported."""


class AttachRequest(_Model):
    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None
    """`auto`, or that of the store."""


class AttributesUpdate(_Model):
    attributes: Attributes | None


class AttachManyRequest(_Model):
    file_ids: list[str] | None = None
    files: list[AttachRequest] | None = None
    """In place of `file_ids`, where files differ in their attributes."""
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class RankingOptions(_Model):
    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    """All mean the same; see `rerank`."""
    score_threshold: float | None = None
    """Passages below this cosine are left out."""


class StoreSearch(_Model):
    query: str | list[str]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Field(ge=1, le=50)] = 10
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None
    """Only `false` is supported."""
    retriever: str | None = None
    """Ours: `dense`, `sparse`, `hybrid` or another one that is installed."""
    rerank: bool = False
    """Ours: whether the reranker orders what was found anew."""


class FileCounts(_Model):
    in_progress: int
    completed: int
    failed: int
    cancelled: int = 0
    total: int


class Store(_Model):
    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    metadata: dict[str, str]
    status: Literal["in_progress", "completed"]
    usage_bytes: int
    file_counts: FileCounts
    last_active_at: int
    expires_after: None = None
    expires_at: None = None


class LastError(_Model):
    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class StoreFile(_Model):
    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "failed"]
    usage_bytes: int
    last_error: LastError | None
    attributes: Attributes
    chunking_strategy: Chunking | None = None


class StoreFileBatch(_Model):
    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "failed"]
    file_counts: FileCounts


class Content(_Model):
    type: Literal["text"] = "text"
    text: str


class SearchHit(_Model):
    file_id: str
    filename: str
    score: float
    attributes: Attributes
    content: list[Content]


class SearchPage(_Model):
    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[SearchHit]
    has_more: bool = False
    next_page: None = None


class StoreList(_Model):
    object: Literal["list"] = "list"
    data: list[Store]
    has_more: bool
    first_id: str | None
    last_id: str | None


class StoreFileList(_Model):
    object: Literal["list"] = "list"
    data: list[StoreFile]
    has_more: bool
    first_id: str | None
    last_id: str | None


class StoreDeleted(_Model):
    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: Literal[True] = True


class StoreFileDeleted(_Model):
    id: str
    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
    deleted: Literal[True] = True
