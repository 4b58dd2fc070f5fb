import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BenchmarkSource(_message.Message):
    __slots__ = ("source", "records", "fetch_time", "check_time", "problem")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FETCH_TIME_FIELD_NUMBER: _ClassVar[int]
    CHECK_TIME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    source: str
    records: int
    fetch_time: _timestamp_pb2.Timestamp
    check_time: _timestamp_pb2.Timestamp
    problem: str
    def __init__(self, source: _Optional[str] = ..., records: _Optional[int] = ..., fetch_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., check_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., problem: _Optional[str] = ...) -> None: ...

class ModelFact(_message.Message):
    __slots__ = ("name", "value", "source", "record", "observe_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    source: str
    record: str
    observe_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., source: _Optional[str] = ..., record: _Optional[str] = ..., observe_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MatchReview(_message.Message):
    __slots__ = ("model_id", "source", "candidates")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    source: str
    candidates: _containers.RepeatedCompositeFieldContainer[MatchCandidate]
    def __init__(self, model_id: _Optional[str] = ..., source: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[MatchCandidate, _Mapping]]] = ...) -> None: ...

class MatchCandidate(_message.Message):
    __slots__ = ("record", "doubts")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DOUBTS_FIELD_NUMBER: _ClassVar[int]
    record: str
    doubts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, record: _Optional[str] = ..., doubts: _Optional[_Iterable[str]] = ...) -> None: ...

class ListBenchmarkSourcesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBenchmarkSourcesResponse(_message.Message):
    __slots__ = ("sources",)
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[BenchmarkSource]
    def __init__(self, sources: _Optional[_Iterable[_Union[BenchmarkSource, _Mapping]]] = ...) -> None: ...

class ListModelFactsRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class ListModelFactsResponse(_message.Message):
    __slots__ = ("facts",)
    FACTS_FIELD_NUMBER: _ClassVar[int]
    facts: _containers.RepeatedCompositeFieldContainer[ModelFact]
    def __init__(self, facts: _Optional[_Iterable[_Union[ModelFact, _Mapping]]] = ...) -> None: ...

class ListMatchReviewsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMatchReviewsResponse(_message.Message):
    __slots__ = ("reviews",)
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    reviews: _containers.RepeatedCompositeFieldContainer[MatchReview]
    def __init__(self, reviews: _Optional[_Iterable[_Union[MatchReview, _Mapping]]] = ...) -> None: ...

class DecideMatchRequest(_message.Message):
    __slots__ = ("model_id", "source", "record")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    source: str
    record: str
    def __init__(self, model_id: _Optional[str] = ..., source: _Optional[str] = ..., record: _Optional[str] = ...) -> None: ...

class DecideMatchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SyncBenchmarksRequest(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: str
    def __init__(self, source: _Optional[str] = ...) -> None: ...

class SyncBenchmarksResponse(_message.Message):
    __slots__ = ("records", "problem")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    records: int
    problem: str
    def __init__(self, records: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...
