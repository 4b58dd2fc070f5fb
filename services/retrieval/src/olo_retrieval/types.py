"""The nouns of retrieval, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from olo_retrieval.filters import Filter

Vector: TypeAlias = Sequence[float]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """The entries of a vector that are not zero. Indices are below 2**32 and differ from each other."""

    indices: Sequence[int]
    values: Sequence[float]


class DocumentState(StrEnum):
    """How far the newest version of a document has come."""

    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class InputSide(StrEnum):
    """On which side of a search a text stands."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that embeds, and the dimension of its vectors."""

    model_id: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Collection:
    """A set of documents. `uid` tells it from an earlier collection of the same name."""

    uid: str
    tenant: str
    name: str
    model: EmbeddingModel
    created_ms: int
    document_count: int = 0
    chunk_count: int = 0


@dataclass(frozen=True, slots=True)
class VersionRef:
    """Names one version of a document as callers and workflows name it."""

    tenant: str
    collection: str
    document_id: str
    version: int

    @property
    def workflow_id(self) -> str:
        """The id of the workflow that indexes this version."""
        return f"ingest/{self.tenant}/{self.collection}/{self.document_id}/{self.version}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was handed in and found good."""

    document_id: str
    title: str
    source: str
    content: str
    sha256: str
    size_bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document as callers see it. `version` is the served one when READY, else the newest."""

    ref: VersionRef
    title: str
    source: str
    state: DocumentState
    chunk_count: int
    error: str
    size_bytes: int
    sha256: str
    created_ms: int
    updated_ms: int
    metadata: Mapping[str, str]


class Staging(StrEnum):
    """What storing a draft has led to."""

    NEW = "new"
    PENDING = "pending"
    """The same content is being indexed already."""
    UNCHANGED = "unchanged"
    """The same content is served already."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a document with its content."""

    document_id: str
    version: int
    title: str
    source: str
    content: str
    metadata: Mapping[str, str]
    chunk_count: int | None
    """None until every chunk is in the vector store."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which points are meant. Tenant and collection are always given: nothing reaches across them."""

    tenant: str
    collection_uid: str
    document_id: str | None = None
    version: int | None = None
    up_to_version: int | None = None
    filter: Filter | None = None
    """What the metadata of the documents must be like."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Points that are to be removed because their rows are gone."""

    removal_id: int
    model: EmbeddingModel
    selection: Selection


@dataclass(frozen=True, slots=True)
class Piece:
    """What a point carries beside its vectors."""

    document_id: str
    version: int
    index: int
    start: int
    end: int
    title: str
    source: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Point:
    """A piece with its vectors."""

    piece: Piece
    dense: Vector
    sparse: SparseVector | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A piece that was found."""

    piece: Piece
    score: float
    """What hits are ordered by; its scale depends on how they were found."""
    vector: Vector | None = None
    """The dense vector, to unit length, where it was asked for."""
    similarity: float = 0.0
    """Cosine of the angle between the dense vectors of query and piece."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a retriever has found, best first."""

    hits: Sequence[Hit]
    complete: bool
    """A larger limit would bring no more."""
