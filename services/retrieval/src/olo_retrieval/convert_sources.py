"""Messages of sources to plain values and back, and what is wrong with a request."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from olo.retrieval.v1 import source_service_pb2 as pb
from olo_common.durations import duration_of, seconds_of
from olo_common.errors import InvalidField
from olo_contracts.identifiers import COLLECTION, is_valid
from olo_retrieval.sources.model import (
    KINDS,
    Config,
    FileConfig,
    GitConfig,
    NatsConfig,
    Outcome,
    SourceRecord,
    SqlConfig,
    Sync,
    SyncState,
    WebConfig,
)

SHORTEST_INTERVAL_SECONDS = 10.0
LONGEST_INTERVAL_SECONDS = 366 * 24 * 3600.0
LONGEST_TEXT = 1_024
LONGEST_QUERY = 16_384
MOST_PAGES = 10_000
MOST_NAMED_PAGES = 1_000
DEFAULT_PAGES = 1_000

_STATES = {
    SyncState.REQUESTED: pb.SOURCE_SYNC_STATE_REQUESTED,
    SyncState.LISTING: pb.SOURCE_SYNC_STATE_LISTING,
    SyncState.INGESTING: pb.SOURCE_SYNC_STATE_INGESTING,
    SyncState.DELETING: pb.SOURCE_SYNC_STATE_DELETING,
    SyncState.SUCCEEDED: pb.SOURCE_SYNC_STATE_SUCCEEDED,
    SyncState.FAILED: pb.SOURCE_SYNC_STATE_FAILED,
    SyncState.REMOVING: pb.SOURCE_SYNC_STATE_REMOVING,
}


def source_id(value: str, field: str = "source_id") -> str:
    """A source id that is spelt as it must be."""
    if not is_valid(COLLECTION, value):
        raise InvalidField(field, "must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")
    return value


def interval_of(source: pb.Source) -> float | None:
    """Seconds between two syncs; None: only by hand."""
    if not source.HasField("interval"):
        return None
    seconds = seconds_of(source.interval)
    if not SHORTEST_INTERVAL_SECONDS <= seconds <= LONGEST_INTERVAL_SECONDS:
        raise InvalidField("source.interval", "must be 10 seconds to 366 days")
    return seconds


def config_of(source: pb.Source) -> Config:
    """The configuration, its spelling checked; what the operator allows is another question."""
    kind = source.WhichOneof("configuration")
    if kind is None:
        raise InvalidField("source.configuration", f"one of {', '.join(KINDS)} must be given")
    message = getattr(source, kind)
    for field, value in message.ListFields():
        if isinstance(value, str):
            _short(f"source.{kind}.{field.name}", value, LONGEST_QUERY if field.name == "query" else LONGEST_TEXT)
    if kind == "files":
        return FileConfig(_given("files.path", message.path), message.glob)
    if kind == "web":
        return _web(message)
    if kind == "sql":
        return SqlConfig(
            _given("sql.database", message.database),
            _given("sql.query", message.query),
            _given("sql.id_column", message.id_column),
            _given("sql.content_column", message.content_column),
            message.title_column,
            message.watermark_column,
        )
    if kind == "git":
        return GitConfig(_given("git.repository", message.repository), message.ref, message.glob)
    return NatsConfig(
        _given("nats.subject", message.subject), message.id_header, message.id_field, message.content_field
    )


def _web(message: pb.WebSource) -> WebConfig:
    if not message.pages and not message.sitemap:
        raise InvalidField("source.web.pages", "is empty, and there is no sitemap")
    if len(message.pages) > MOST_NAMED_PAGES:
        raise InvalidField("source.web.pages", f"more than {MOST_NAMED_PAGES}; use a sitemap")
    if message.max_pages > MOST_PAGES:
        raise InvalidField("source.web.max_pages", f"more than {MOST_PAGES}")
    return WebConfig(list(message.pages), message.sitemap, message.max_pages or DEFAULT_PAGES)


def _given(field: str, value: str) -> str:
    if not value.strip():
        raise InvalidField(f"source.{field}", "is empty")
    return value


def _short(field: str, value: str, most: int) -> None:
    if len(value) > most or any(ord(character) < 32 and character not in "\n\r\t" for character in value):
        raise InvalidField(field, f"more than {most} characters, or control characters among them")


def to_source(record: SourceRecord) -> pb.Source:
    """The message of a source."""
    source = record.source
    kind = next(name for name, kind in KINDS.items() if isinstance(source.config, kind))
    message = pb.Source(
        source_id=source.source_id,
        collection=source.collection,
        document_count=record.document_count,
        last_sync=_to_sync(record.sync) if record.sync else None,
        **{kind: asdict(source.config)},
    )
    if source.interval_seconds is not None:
        message.interval.CopyFrom(duration_of(timedelta(seconds=source.interval_seconds)))
    message.create_time.FromMilliseconds(source.created_ms)
    return message


def _to_sync(sync: Sync) -> pb.SourceSync:
    message = pb.SourceSync(
        number=sync.number,
        state=_STATES[sync.state],
        listed=sync.listed,
        added=sync.outcomes[Outcome.ADDED],
        updated=sync.outcomes[Outcome.UPDATED],
        unchanged=sync.outcomes[Outcome.UNCHANGED],
        deleted=sync.outcomes[Outcome.DELETED],
        failed=sync.outcomes[Outcome.FAILED],
        percent=sync.percent,
        error=sync.error,
        error_reason=sync.error_reason,
        held_deletions=sync.held_deletions,
    )
    if sync.started_ms is not None:
        message.start_time.FromMilliseconds(sync.started_ms)
    if sync.ended_ms is not None:
        message.end_time.FromMilliseconds(sync.ended_ms)
    if sync.eta_seconds is not None:
        message.eta.CopyFrom(duration_of(timedelta(seconds=sync.eta_seconds)))
    return message
