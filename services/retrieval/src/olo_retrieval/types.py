"""The nouns of retrieval, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from olo_retrieval.chunking.plan import DEFAULT, Chunking
from olo_retrieval.filters import Filter
from olo_retrieval.structure import Structure

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
    """A set of documents and the index that searches of it see.

    `uid` tells it from an earlier collection of the same name, `index_uid` its index from another one that a migration
    builds or has built.
    """

    uid: str
    tenant: str
    name: str
    model: EmbeddingModel
    created_ms: int
    chunking: Chunking = DEFAULT
    document_count: int = 0
    chunk_count: int = 0
    index_uid: str = ""
    """Empty: the first index, which has the uid of the collection."""
    retriever: str = ""
    """How searches find passages that do not say so; empty: as the service is set."""
    revision: int = 0
    """Grows with every change of the fields that searches read."""

    def points(
        self,
        document_id: str | None = None,
        version: int | None = None,
        *,
        up_to_version: int | None = None,
        filter: Filter | None = None,
    ) -> Selection:
        """Points of its index: all, or those of a document, or of a version."""
        index_uid = self.index_uid or self.uid
        return Selection(self.tenant, index_uid, document_id, version, up_to_version, filter)


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
class RawFile:
    """A file whose text is still to be read out, and the format that it claims to have."""

    data: bytes
    format: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was handed in and found good so far. `content` is empty where there is a file."""

    document_id: str
    title: str
    """Empty where the text of a file will give one."""
    source: str
    content: str
    sha256: str
    """Of what was handed in."""
    size_bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    file: RawFile | None = None
    url: str = ""
    """Where the file is fetched; `sha256` is that of nothing then."""
    source_id: str = ""
    """The source that has brought it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What stood behind a URL."""

    data: bytes
    media_type: str


class IngestStep(StrEnum):
    """A step on the way of a document into the index."""

    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    SWAP = "swap"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a version has come; `eta_seconds` is None where the pace is not known."""

    step: IngestStep
    percent: float
    eta_seconds: float | None = None


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
    progress: IngestProgress
    page_count: int = 0
    error_reason: str = ""
    source_id: str = ""


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
    structure: Structure = Structure.MARKDOWN
    pages: Sequence[int] = ()
    """Where each page begins in the content, in characters."""
    file: RawFile | None = None
    """The file, until its text has been read out."""
    url: str = ""
    """Where the file is to be fetched, until it is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which points are meant. Tenant and index are always given: nothing reaches across them."""

    tenant: str
    collection_uid: str
    """Of the index, which is the collection's as long as that has not been migrated."""
    document_id: str | None = None
    version: int | None = None
    up_to_version: int | None = None
    filter: Filter | None = None
    """What the metadata of the documents must be like."""
    pieces: range | None = None
    """Numbers of pieces, counted in each version."""


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
    page: int | None = None
    headings: tuple[str, ...] = ()
    parent: str = ""
    """The text around it, where the strategy of its collection shows that."""


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

    # A search makes a hundred of these; `dataclasses.replace` takes several times as long.

    def compared(self, similarity: float) -> Hit:
        """The hit with this similarity."""
        return Hit(self.piece, self.score, self.vector, similarity)

    def ranked(self, score: float) -> Hit:
        """The hit with this score."""
        return Hit(self.piece, score, self.vector, self.similarity)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a retriever has found, best first."""

    hits: Sequence[Hit]
    complete: bool
    """A larger limit would bring no more."""
