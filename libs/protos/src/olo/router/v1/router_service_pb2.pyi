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
    SELECTION_REASON_PROFILE: _ClassVar[SelectionReason]
    SELECTION_REASON_CONVERSATION: _ClassVar[SelectionReason]

class BreakerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BREAKER_STATE_UNSPECIFIED: _ClassVar[BreakerState]
    BREAKER_STATE_CLOSED: _ClassVar[BreakerState]
    BREAKER_STATE_OPEN: _ClassVar[BreakerState]
    BREAKER_STATE_HALF_OPEN: _ClassVar[BreakerState]
SELECTION_REASON_UNSPECIFIED: SelectionReason
SELECTION_REASON_REQUESTED: SelectionReason
SELECTION_REASON_DEFAULT: SelectionReason
SELECTION_REASON_PRIORITY: SelectionReason
SELECTION_REASON_AVAILABLE: SelectionReason
SELECTION_REASON_PROFILE: SelectionReason
SELECTION_REASON_CONVERSATION: SelectionReason
BREAKER_STATE_UNSPECIFIED: BreakerState
BREAKER_STATE_CLOSED: BreakerState
BREAKER_STATE_OPEN: BreakerState
BREAKER_STATE_HALF_OPEN: BreakerState

class SelectModelsRequest(_message.Message):
    __slots__ = ("model_type", "model", "min_context", "max_candidates", "allow_fallback", "profile", "constraints", "request_id", "prompt", "conversation_id", "affinity_key", "deadline", "tenant", "prompt_tokens", "completion_tokens")
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_KEY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model_type: _common_pb2.ModelType
    model: str
    min_context: int
    max_candidates: int
    allow_fallback: bool
    profile: str
    constraints: Constraints
    request_id: str
    prompt: Prompt
    conversation_id: str
    affinity_key: str
    deadline: _duration_pb2.Duration
    tenant: str
    prompt_tokens: int
    completion_tokens: int
    def __init__(self, model_type: _Optional[_Union[_common_pb2.ModelType, str]] = ..., model: _Optional[str] = ..., min_context: _Optional[int] = ..., max_candidates: _Optional[int] = ..., allow_fallback: _Optional[bool] = ..., profile: _Optional[str] = ..., constraints: _Optional[_Union[Constraints, _Mapping]] = ..., request_id: _Optional[str] = ..., prompt: _Optional[_Union[Prompt, _Mapping]] = ..., conversation_id: _Optional[str] = ..., affinity_key: _Optional[str] = ..., deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., tenant: _Optional[str] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ...) -> None: ...

class Constraints(_message.Message):
    __slots__ = ("min_quality", "max_latency", "max_cost_per_1k_tokens", "min_context", "hardware_type", "labels", "capabilities")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MIN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_PER_1K_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    HARDWARE_TYPE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    min_quality: float
    max_latency: _duration_pb2.Duration
    max_cost_per_1k_tokens: float
    min_context: int
    hardware_type: _common_pb2.HardwareType
    labels: _containers.ScalarMap[str, str]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, min_quality: _Optional[float] = ..., max_latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_cost_per_1k_tokens: _Optional[float] = ..., min_context: _Optional[int] = ..., hardware_type: _Optional[_Union[_common_pb2.HardwareType, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., capabilities: _Optional[_Iterable[str]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("text", "characters", "turns", "grounded")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    GROUNDED_FIELD_NUMBER: _ClassVar[int]
    text: str
    characters: int
    turns: int
    grounded: bool
    def __init__(self, text: _Optional[str] = ..., characters: _Optional[int] = ..., turns: _Optional[int] = ..., grounded: _Optional[bool] = ...) -> None: ...

class SelectModelsResponse(_message.Message):
    __slots__ = ("candidates", "rejections", "snapshot_version", "snapshot_age", "profile", "complexity", "alias", "rejection_count", "shadow")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    REJECTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    snapshot_version: int
    snapshot_age: _duration_pb2.Duration
    profile: str
    complexity: Complexity
    alias: str
    rejection_count: int
    shadow: Shadow
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., snapshot_version: _Optional[int] = ..., snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., profile: _Optional[str] = ..., complexity: _Optional[_Union[Complexity, _Mapping]] = ..., alias: _Optional[str] = ..., rejection_count: _Optional[int] = ..., shadow: _Optional[_Union[Shadow, _Mapping]] = ...) -> None: ...

class Shadow(_message.Message):
    __slots__ = ("model_id", "task_queue", "skipped")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    task_queue: str
    skipped: str
    def __init__(self, model_id: _Optional[str] = ..., task_queue: _Optional[str] = ..., skipped: _Optional[str] = ...) -> None: ...

class Complexity(_message.Message):
    __slots__ = ("complex", "score", "features")
    COMPLEX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    complex: bool
    score: float
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    def __init__(self, complex: _Optional[bool] = ..., score: _Optional[float] = ..., features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "value", "contribution")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    contribution: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("model_id", "task_queue", "score", "reason", "explanation", "address", "context_limit", "free_slots", "embedding_dimension", "at_capacity", "components", "predicted_wait")
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
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_WAIT_FIELD_NUMBER: _ClassVar[int]
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
    components: _containers.RepeatedCompositeFieldContainer[ScoreComponent]
    predicted_wait: _duration_pb2.Duration
    def __init__(self, model_id: _Optional[str] = ..., task_queue: _Optional[str] = ..., score: _Optional[float] = ..., reason: _Optional[_Union[SelectionReason, str]] = ..., explanation: _Optional[str] = ..., address: _Optional[str] = ..., context_limit: _Optional[int] = ..., free_slots: _Optional[int] = ..., embedding_dimension: _Optional[int] = ..., at_capacity: _Optional[bool] = ..., components: _Optional[_Iterable[_Union[ScoreComponent, _Mapping]]] = ..., predicted_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ScoreComponent(_message.Message):
    __slots__ = ("name", "value", "weight", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    weight: float
    detail: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., detail: _Optional[str] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("model_id", "filter", "detail")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    filter: str
    detail: str
    def __init__(self, model_id: _Optional[str] = ..., filter: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class ExplainSelectionRequest(_message.Message):
    __slots__ = ("request", "tenant")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    request: SelectModelsRequest
    tenant: str
    def __init__(self, request: _Optional[_Union[SelectModelsRequest, _Mapping]] = ..., tenant: _Optional[str] = ...) -> None: ...

class ExplainSelectionResponse(_message.Message):
    __slots__ = ("selection",)
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    selection: SelectModelsResponse
    def __init__(self, selection: _Optional[_Union[SelectModelsResponse, _Mapping]] = ...) -> None: ...

class ListRankingsRequest(_message.Message):
    __slots__ = ("profile", "model_type", "limit", "tenant")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    profile: str
    model_type: _common_pb2.ModelType
    limit: int
    tenant: str
    def __init__(self, profile: _Optional[str] = ..., model_type: _Optional[_Union[_common_pb2.ModelType, str]] = ..., limit: _Optional[int] = ..., tenant: _Optional[str] = ...) -> None: ...

class ListRankingsResponse(_message.Message):
    __slots__ = ("profile", "models", "rejections", "snapshot_version", "snapshot_age")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    profile: str
    models: _containers.RepeatedCompositeFieldContainer[RankedModel]
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    snapshot_version: int
    snapshot_age: _duration_pb2.Duration
    def __init__(self, profile: _Optional[str] = ..., models: _Optional[_Iterable[_Union[RankedModel, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., snapshot_version: _Optional[int] = ..., snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RankedModel(_message.Message):
    __slots__ = ("rank", "model_id", "score", "components")
    RANK_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    rank: int
    model_id: str
    score: float
    components: _containers.RepeatedCompositeFieldContainer[ScoreComponent]
    def __init__(self, rank: _Optional[int] = ..., model_id: _Optional[str] = ..., score: _Optional[float] = ..., components: _Optional[_Iterable[_Union[ScoreComponent, _Mapping]]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("serving", "detail", "snapshot_version", "snapshot_age", "max_snapshot_age", "registry_epoch", "models", "instances", "breakers", "profiles", "events_connected", "default_profile", "instance_count")
    SERVING_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PROFILE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    serving: bool
    detail: str
    snapshot_version: int
    snapshot_age: _duration_pb2.Duration
    max_snapshot_age: _duration_pb2.Duration
    registry_epoch: str
    models: int
    instances: _containers.RepeatedCompositeFieldContainer[InstanceStatus]
    breakers: _containers.RepeatedCompositeFieldContainer[BreakerStatus]
    profiles: _containers.RepeatedCompositeFieldContainer[Profile]
    events_connected: bool
    default_profile: str
    instance_count: int
    def __init__(self, serving: _Optional[bool] = ..., detail: _Optional[str] = ..., snapshot_version: _Optional[int] = ..., snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., registry_epoch: _Optional[str] = ..., models: _Optional[int] = ..., instances: _Optional[_Iterable[_Union[InstanceStatus, _Mapping]]] = ..., breakers: _Optional[_Iterable[_Union[BreakerStatus, _Mapping]]] = ..., profiles: _Optional[_Iterable[_Union[Profile, _Mapping]]] = ..., events_connected: _Optional[bool] = ..., default_profile: _Optional[str] = ..., instance_count: _Optional[int] = ...) -> None: ...

class InstanceStatus(_message.Message):
    __slots__ = ("instance_id", "model_id", "state", "max_concurrency", "in_flight", "silence")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SILENCE_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    model_id: str
    state: str
    max_concurrency: int
    in_flight: int
    silence: _duration_pb2.Duration
    def __init__(self, instance_id: _Optional[str] = ..., model_id: _Optional[str] = ..., state: _Optional[str] = ..., max_concurrency: _Optional[int] = ..., in_flight: _Optional[int] = ..., silence: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BreakerStatus(_message.Message):
    __slots__ = ("model_id", "instance_id", "state", "failures", "open_for", "last_failure")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    OPEN_FOR_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    instance_id: str
    state: BreakerState
    failures: int
    open_for: _duration_pb2.Duration
    last_failure: str
    def __init__(self, model_id: _Optional[str] = ..., instance_id: _Optional[str] = ..., state: _Optional[_Union[BreakerState, str]] = ..., failures: _Optional[int] = ..., open_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_failure: _Optional[str] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("name", "quality", "latency", "cost", "context")
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    quality: float
    latency: float
    cost: float
    context: float
    def __init__(self, name: _Optional[str] = ..., quality: _Optional[float] = ..., latency: _Optional[float] = ..., cost: _Optional[float] = ..., context: _Optional[float] = ...) -> None: ...
