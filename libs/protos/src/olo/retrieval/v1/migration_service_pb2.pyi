import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from olo.retrieval.v1 import retrieval_service_pb2 as _retrieval_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MigrationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MIGRATION_STATE_UNSPECIFIED: _ClassVar[MigrationState]
    MIGRATION_STATE_COPYING: _ClassVar[MigrationState]
    MIGRATION_STATE_VERIFYING: _ClassVar[MigrationState]
    MIGRATION_STATE_SERVING: _ClassVar[MigrationState]
    MIGRATION_STATE_ROLLING_BACK: _ClassVar[MigrationState]
    MIGRATION_STATE_FINISHED: _ClassVar[MigrationState]
    MIGRATION_STATE_ROLLED_BACK: _ClassVar[MigrationState]
    MIGRATION_STATE_FAILED: _ClassVar[MigrationState]
MIGRATION_STATE_UNSPECIFIED: MigrationState
MIGRATION_STATE_COPYING: MigrationState
MIGRATION_STATE_VERIFYING: MigrationState
MIGRATION_STATE_SERVING: MigrationState
MIGRATION_STATE_ROLLING_BACK: MigrationState
MIGRATION_STATE_FINISHED: MigrationState
MIGRATION_STATE_ROLLED_BACK: MigrationState
MIGRATION_STATE_FAILED: MigrationState

class IndexPlan(_message.Message):
    __slots__ = ("embedding_model_id", "dimension", "chunking")
    EMBEDDING_MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    embedding_model_id: str
    dimension: int
    chunking: _retrieval_service_pb2.Chunking
    def __init__(self, embedding_model_id: _Optional[str] = ..., dimension: _Optional[int] = ..., chunking: _Optional[_Union[_retrieval_service_pb2.Chunking, _Mapping]] = ...) -> None: ...

class Migration(_message.Message):
    __slots__ = ("migration_id", "collection", "state", "source", "target", "documents_total", "documents_done", "percent", "eta", "overlap", "sampled_queries", "min_overlap", "error", "error_reason", "create_time", "update_time", "workflow_id")
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ETA_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_QUERIES_FIELD_NUMBER: _ClassVar[int]
    MIN_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    migration_id: str
    collection: str
    state: MigrationState
    source: IndexPlan
    target: IndexPlan
    documents_total: int
    documents_done: int
    percent: float
    eta: _duration_pb2.Duration
    overlap: float
    sampled_queries: int
    min_overlap: float
    error: str
    error_reason: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    workflow_id: str
    def __init__(self, migration_id: _Optional[str] = ..., collection: _Optional[str] = ..., state: _Optional[_Union[MigrationState, str]] = ..., source: _Optional[_Union[IndexPlan, _Mapping]] = ..., target: _Optional[_Union[IndexPlan, _Mapping]] = ..., documents_total: _Optional[int] = ..., documents_done: _Optional[int] = ..., percent: _Optional[float] = ..., eta: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., overlap: _Optional[float] = ..., sampled_queries: _Optional[int] = ..., min_overlap: _Optional[float] = ..., error: _Optional[str] = ..., error_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., workflow_id: _Optional[str] = ...) -> None: ...

class StartMigrationRequest(_message.Message):
    __slots__ = ("collection", "embedding_model_id", "chunking", "min_overlap", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    MIN_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    embedding_model_id: str
    chunking: _retrieval_service_pb2.Chunking
    min_overlap: float
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., embedding_model_id: _Optional[str] = ..., chunking: _Optional[_Union[_retrieval_service_pb2.Chunking, _Mapping]] = ..., min_overlap: _Optional[float] = ..., tenant: _Optional[str] = ...) -> None: ...

class StartMigrationResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: Migration
    def __init__(self, migration: _Optional[_Union[Migration, _Mapping]] = ...) -> None: ...

class GetMigrationRequest(_message.Message):
    __slots__ = ("collection", "migration_id", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    migration_id: str
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., migration_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class GetMigrationResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: Migration
    def __init__(self, migration: _Optional[_Union[Migration, _Mapping]] = ...) -> None: ...

class ListMigrationsRequest(_message.Message):
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

class ListMigrationsResponse(_message.Message):
    __slots__ = ("migrations", "next_page_token")
    MIGRATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    migrations: _containers.RepeatedCompositeFieldContainer[Migration]
    next_page_token: str
    def __init__(self, migrations: _Optional[_Iterable[_Union[Migration, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RollBackMigrationRequest(_message.Message):
    __slots__ = ("collection", "migration_id", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    migration_id: str
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., migration_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class RollBackMigrationResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: Migration
    def __init__(self, migration: _Optional[_Union[Migration, _Mapping]] = ...) -> None: ...

class FinishMigrationRequest(_message.Message):
    __slots__ = ("collection", "migration_id", "tenant")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    migration_id: str
    tenant: str
    def __init__(self, collection: _Optional[str] = ..., migration_id: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class FinishMigrationResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: Migration
    def __init__(self, migration: _Optional[_Union[Migration, _Mapping]] = ...) -> None: ...

class MigrateWorkflowInput(_message.Message):
    __slots__ = ("tenant", "collection", "migration_id")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    collection: str
    migration_id: str
    def __init__(self, tenant: _Optional[str] = ..., collection: _Optional[str] = ..., migration_id: _Optional[str] = ...) -> None: ...

class MigrateWorkflowResult(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: MigrationState
    def __init__(self, state: _Optional[_Union[MigrationState, str]] = ...) -> None: ...
