import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourceSyncState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_SYNC_STATE_UNSPECIFIED: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_REQUESTED: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_LISTING: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_INGESTING: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_DELETING: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_SUCCEEDED: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_FAILED: _ClassVar[SourceSyncState]
    SOURCE_SYNC_STATE_REMOVING: _ClassVar[SourceSyncState]
SOURCE_SYNC_STATE_UNSPECIFIED: SourceSyncState
SOURCE_SYNC_STATE_REQUESTED: SourceSyncState
SOURCE_SYNC_STATE_LISTING: SourceSyncState
SOURCE_SYNC_STATE_INGESTING: SourceSyncState
SOURCE_SYNC_STATE_DELETING: SourceSyncState
SOURCE_SYNC_STATE_SUCCEEDED: SourceSyncState
SOURCE_SYNC_STATE_FAILED: SourceSyncState
SOURCE_SYNC_STATE_REMOVING: SourceSyncState

class Source(_message.Message):
    __slots__ = ("source_id", "collection", "files", "web", "sql", "git", "nats", "interval", "create_time", "document_count", "last_sync")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    WEB_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    GIT_FIELD_NUMBER: _ClassVar[int]
    NATS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_SYNC_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    collection: str
    files: FileSource
    web: WebSource
    sql: SqlSource
    git: GitSource
    nats: NatsSource
    interval: _duration_pb2.Duration
    create_time: _timestamp_pb2.Timestamp
    document_count: int
    last_sync: SourceSync
    def __init__(self, source_id: _Optional[str] = ..., collection: _Optional[str] = ..., files: _Optional[_Union[FileSource, _Mapping]] = ..., web: _Optional[_Union[WebSource, _Mapping]] = ..., sql: _Optional[_Union[SqlSource, _Mapping]] = ..., git: _Optional[_Union[GitSource, _Mapping]] = ..., nats: _Optional[_Union[NatsSource, _Mapping]] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., document_count: _Optional[int] = ..., last_sync: _Optional[_Union[SourceSync, _Mapping]] = ...) -> None: ...

class FileSource(_message.Message):
    __slots__ = ("path", "glob")
    PATH_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    path: str
    glob: str
    def __init__(self, path: _Optional[str] = ..., glob: _Optional[str] = ...) -> None: ...

class WebSource(_message.Message):
    __slots__ = ("pages", "sitemap", "max_pages")
    PAGES_FIELD_NUMBER: _ClassVar[int]
    SITEMAP_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGES_FIELD_NUMBER: _ClassVar[int]
    pages: _containers.RepeatedScalarFieldContainer[str]
    sitemap: str
    max_pages: int
    def __init__(self, pages: _Optional[_Iterable[str]] = ..., sitemap: _Optional[str] = ..., max_pages: _Optional[int] = ...) -> None: ...

class SqlSource(_message.Message):
    __slots__ = ("database", "query", "id_column", "content_column", "title_column", "watermark_column")
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    ID_COLUMN_FIELD_NUMBER: _ClassVar[int]
    CONTENT_COLUMN_FIELD_NUMBER: _ClassVar[int]
    TITLE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_COLUMN_FIELD_NUMBER: _ClassVar[int]
    database: str
    query: str
    id_column: str
    content_column: str
    title_column: str
    watermark_column: str
    def __init__(self, database: _Optional[str] = ..., query: _Optional[str] = ..., id_column: _Optional[str] = ..., content_column: _Optional[str] = ..., title_column: _Optional[str] = ..., watermark_column: _Optional[str] = ...) -> None: ...

class GitSource(_message.Message):
    __slots__ = ("repository", "ref", "glob")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    repository: str
    ref: str
    glob: str
    def __init__(self, repository: _Optional[str] = ..., ref: _Optional[str] = ..., glob: _Optional[str] = ...) -> None: ...

class NatsSource(_message.Message):
    __slots__ = ("subject", "id_header", "id_field", "content_field")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ID_HEADER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_FIELD_NUMBER: _ClassVar[int]
    subject: str
    id_header: str
    id_field: str
    content_field: str
    def __init__(self, subject: _Optional[str] = ..., id_header: _Optional[str] = ..., id_field: _Optional[str] = ..., content_field: _Optional[str] = ...) -> None: ...

class SourceSync(_message.Message):
    __slots__ = ("number", "state", "start_time", "end_time", "listed", "added", "updated", "unchanged", "deleted", "failed", "percent", "eta", "error", "error_reason", "held_deletions")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ETA_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    HELD_DELETIONS_FIELD_NUMBER: _ClassVar[int]
    number: int
    state: SourceSyncState
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    listed: int
    added: int
    updated: int
    unchanged: int
    deleted: int
    failed: int
    percent: float
    eta: _duration_pb2.Duration
    error: str
    error_reason: str
    held_deletions: int
    def __init__(self, number: _Optional[int] = ..., state: _Optional[_Union[SourceSyncState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., listed: _Optional[int] = ..., added: _Optional[int] = ..., updated: _Optional[int] = ..., unchanged: _Optional[int] = ..., deleted: _Optional[int] = ..., failed: _Optional[int] = ..., percent: _Optional[float] = ..., eta: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., error: _Optional[str] = ..., error_reason: _Optional[str] = ..., held_deletions: _Optional[int] = ...) -> None: ...

class CreateSourceRequest(_message.Message):
    __slots__ = ("source", "tenant")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    source: Source
    tenant: str
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ..., tenant: _Optional[str] = ...) -> None: ...

class CreateSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class GetSourceRequest(_message.Message):
    __slots__ = ("collection", "source_id", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source_id: str
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., source_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class GetSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class ListSourcesRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class ListSourcesResponse(_message.Message):
    __slots__ = ("sources", "next_page_token")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    next_page_token: str
    def __init__(self, sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteSourceRequest(_message.Message):
    __slots__ = ("collection", "source_id", "tenant", "keep_documents")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    KEEP_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source_id: str
    tenant: str
    keep_documents: bool
    def __init__(self, collection: _Optional[str] = ..., source_id: _Optional[str] = ..., tenant: _Optional[str] = ..., keep_documents: _Optional[bool] = ...) -> None: ...

class DeleteSourceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SyncSourceRequest(_message.Message):
    __slots__ = ("collection", "source_id", "tenant", "accept_deletions")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_DELETIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source_id: str
    tenant: str
    accept_deletions: bool
    def __init__(self, collection: _Optional[str] = ..., source_id: _Optional[str] = ..., tenant: _Optional[str] = ..., accept_deletions: _Optional[bool] = ...) -> None: ...

class SyncSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class SyncWorkflowInput(_message.Message):
    __slots__ = ("tenant", "collection", "source_id", "source_uid", "schedule_id")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_UID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    collection: str
    source_id: str
    source_uid: str
    schedule_id: str
    def __init__(self, tenant: _Optional[str] = ..., collection: _Optional[str] = ..., source_id: _Optional[str] = ..., source_uid: _Optional[str] = ..., schedule_id: _Optional[str] = ...) -> None: ...

class SyncWorkflowResult(_message.Message):
    __slots__ = ("number", "removing")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REMOVING_FIELD_NUMBER: _ClassVar[int]
    number: int
    removing: bool
    def __init__(self, number: _Optional[int] = ..., removing: _Optional[bool] = ...) -> None: ...

class SyncStepInput(_message.Message):
    __slots__ = ("source", "number")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    source: SyncWorkflowInput
    number: int
    def __init__(self, source: _Optional[_Union[SyncWorkflowInput, _Mapping]] = ..., number: _Optional[int] = ...) -> None: ...
