"""Documents and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from olo_retrieval.structure import Structure


class DocumentState(StrEnum):
    """How far the newest version of a document has come."""

    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


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
