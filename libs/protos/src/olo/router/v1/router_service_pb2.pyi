import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from olo.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SelectionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SELECTION_REASON_UNSPECIFIED: _ClassVar[SelectionReason]
    SELECTION_REASON_REQUESTED: _ClassVar[SelectionReason]
    SELECTION_REASON_DEFAULT: _ClassVar[SelectionReason]
    SELECTION_REASON_PRIORITY: _ClassVar[SelectionReason]
    SELECTION_REASON_AVAILABLE: _ClassVar[SelectionReason]
SELECTION_REASON_UNSPECIFIED: SelectionReason
SELECTION_REASON_REQUESTED: SelectionReason
SELECTION_REASON_DEFAULT: SelectionReason
SELECTION_REASON_PRIORITY: SelectionReason
SELECTION_REASON_AVAILABLE: SelectionReason

class SelectModelsRequest(_message.Message):
    __slots__ = ("model_type", "model", "min_context", "max_candidates", "allow_fallback")
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    model_type: _common_pb2.ModelType
    model: str
    min_context: int
    max_candidates: int
    allow_fallback: bool
    def __init__(self, model_type: _Optional[_Union[_common_pb2.ModelType, str]] = ..., model: _Optional[str] = ..., min_context: _Optional[int] = ..., max_candidates: _Optional[int] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class SelectModelsResponse(_message.Message):
    __slots__ = ("candidates", "rejections", "snapshot_version", "snapshot_age")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    snapshot_version: int
    snapshot_age: _duration_pb2.Duration
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., snapshot_version: _Optional[int] = ..., snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("model_id", "task_queue", "score", "reason", "explanation", "address", "context_limit", "free_slots", "embedding_dimension", "at_capacity")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    FREE_SLOTS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_DIMENSION_FIELD_NUMBER: _ClassVar[int]
    AT_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    task_queue: str
    score: float
    reason: SelectionReason
    explanation: str
    address: str
    context_limit: int
    free_slots: int
    embedding_dimension: int
    at_capacity: bool
    def __init__(self, model_id: _Optional[str] = ..., task_queue: _Optional[str] = ..., score: _Optional[float] = ..., reason: _Optional[_Union[SelectionReason, str]] = ..., explanation: _Optional[str] = ..., address: _Optional[str] = ..., context_limit: _Optional[int] = ..., free_slots: _Optional[int] = ..., embedding_dimension: _Optional[int] = ..., at_capacity: _Optional[bool] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("model_id", "filter", "detail")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    filter: str
    detail: str
    def __init__(self, model_id: _Optional[str] = ..., filter: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
