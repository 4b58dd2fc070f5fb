"""The nouns of sources, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from olo_common.errors import OloError


@dataclass(frozen=True, slots=True)
class FileConfig:
    """A file or folder, local or in an object store. An empty glob takes every file whose text can be read."""

    path: str
    glob: str = ""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Pages of one host."""

    pages: Sequence[str] = ()
    sitemap: str = ""
    max_pages: int = 1000


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """A query whose rows are documents; `database` is the operator's name of it."""

    database: str
    query: str
    id_column: str
    content_column: str
    title_column: str = ""
    watermark_column: str = ""


@dataclass(frozen=True, slots=True)
class GitConfig:
    """The files of a commit; an empty ref is HEAD."""

    repository: str
    ref: str = ""
    glob: str = ""


@dataclass(frozen=True, slots=True)
class NatsConfig:
    """Messages that a JetStream stream keeps."""

    subject: str
    id_header: str = ""
    id_field: str = ""
    content_field: str = ""


Config: TypeAlias = FileConfig | WebConfig | SqlConfig | GitConfig | NatsConfig

KINDS: Final[Mapping[str, type[Config]]] = {
    "files": FileConfig,
    "web": WebConfig,
    "sql": SqlConfig,
    "git": GitConfig,
    "nats": NatsConfig,
}
"""By the name of the field of `Source.configuration`, which names a kind everywhere."""


class SyncState(StrEnum):
    """How far a sync has come."""

    REQUESTED = "requested"
    LISTING = "listing"
    INGESTING = "ingesting"
    DELETING = "deleting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REMOVING = "removing"


ENDED: Final = (SyncState.SUCCEEDED, SyncState.FAILED)


class Outcome(StrEnum):
    """What a sync has made of one document."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Source:
    """A place that documents of a collection come from. `uid` tells it from an earlier source of the same name."""

    uid: str
    tenant: str
    collection: str
    collection_uid: str
    source_id: str
    config: Config
    interval_seconds: float | None
    created_ms: int

    @property
    def workflow_id(self) -> str:
        """The id of its schedule, with which the ids of its workflows begin."""
        return f"sync-source/{self.tenant}/{self.collection}/{self.source_id}/{self.uid[:8]}"


@dataclass(frozen=True, slots=True)
class Sync:
    """One round of a source. `eta_seconds` is None where the pace is not known."""

    number: int
    state: SyncState
    started_ms: int | None
    ended_ms: int | None
    listed: int
    outcomes: Mapping[Outcome, int]
    held_deletions: int
    error: str
    error_reason: str
    percent: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source as callers see it; no sync where it never had one."""

    source: Source
    document_count: int
    sync: Sync | None


@dataclass(frozen=True, slots=True)
class Orders:
    """What callers have asked of a source beside its configuration."""

    removing: bool = False
    keep_documents: bool = False
    accept_deletions: bool = False
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document that a source has: its name there, and what changes whenever its content does.

    An empty fingerprint: whether it has changed shows only when it is read.
    """

    key: str
    fingerprint: str = ""
    deleted: bool = False
    """The source says itself that it is no more."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source has.

    Attributes:
        items: Each key once.
        complete: Whether documents that are not listed have disappeared; else only what is new is listed.
        cursor: Where the next listing goes on, for a source that lists what is new.
    """

    items: Sequence[Listed]
    complete: bool = True
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What stands behind a key: a text, or the bytes of a file."""

    body: str | bytes
    source: str
    """What the document is cited by: a path, a URL."""
    title: str = ""
    media_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """A document of a source, as the last syncs have left it."""

    document_id: str
    key: str
    fingerprint: str
    version: int
    """Of the document when a sync has last looked; 0: it is not there."""
    deleted: bool
    """The source has said that it is no more."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a sync has made of a document; `version` is that of the document, 0 where it is not there."""

    outcome: Outcome
    version: int
    error: OloError | None = None
