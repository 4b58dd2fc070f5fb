import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from olo.common.v1 import common_pb2 as _common_pb2
from olo.inference.v1 import inference_service_pb2 as _inference_service_pb2
from olo.retrieval.v1 import retrieval_service_pb2 as _retrieval_service_pb2
from olo.router.v1 import router_service_pb2 as _router_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_COMPLETED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_CANCELLED: _ClassVar[RunState]
    RUN_STATE_TIMED_OUT: _ClassVar[RunState]

class RunPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_PHASE_UNSPECIFIED: _ClassVar[RunPhase]
    RUN_PHASE_RETRIEVING: _ClassVar[RunPhase]
    RUN_PHASE_SELECTING: _ClassVar[RunPhase]
    RUN_PHASE_PARKED: _ClassVar[RunPhase]
    RUN_PHASE_QUEUED: _ClassVar[RunPhase]
    RUN_PHASE_GENERATING: _ClassVar[RunPhase]

class AttemptCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTEMPT_CAUSE_UNSPECIFIED: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_SCHEDULE_TO_START: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_HEARTBEAT: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_ENGINE_LOST: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_TIMEOUT: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_OVERLOADED: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_UNAVAILABLE: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_BAD_OUTPUT: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_BAD_INPUT: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_PAYLOAD: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_STOPPED: _ClassVar[AttemptCause]
    ATTEMPT_CAUSE_INTERNAL: _ClassVar[AttemptCause]

class RequestPriority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_PRIORITY_UNSPECIFIED: _ClassVar[RequestPriority]
    REQUEST_PRIORITY_INTERACTIVE: _ClassVar[RequestPriority]
    REQUEST_PRIORITY_NORMAL: _ClassVar[RequestPriority]
    REQUEST_PRIORITY_BATCH: _ClassVar[RequestPriority]

class RagMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RAG_MODE_UNSPECIFIED: _ClassVar[RagMode]
    RAG_MODE_REQUIRED: _ClassVar[RagMode]
    RAG_MODE_OPTIONAL: _ClassVar[RagMode]

class QueryRewriting(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY_REWRITING_UNSPECIFIED: _ClassVar[QueryRewriting]
    QUERY_REWRITING_NONE: _ClassVar[QueryRewriting]
    QUERY_REWRITING_MULTI_QUERY: _ClassVar[QueryRewriting]
    QUERY_REWRITING_HYDE: _ClassVar[QueryRewriting]
    QUERY_REWRITING_CONDENSE: _ClassVar[QueryRewriting]

class GroundingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUNDING_STATE_UNSPECIFIED: _ClassVar[GroundingState]
    GROUNDING_STATE_GROUNDED: _ClassVar[GroundingState]
    GROUNDING_STATE_NOTHING_FOUND: _ClassVar[GroundingState]
    GROUNDING_STATE_UNAVAILABLE: _ClassVar[GroundingState]
    GROUNDING_STATE_NOTHING_FITS: _ClassVar[GroundingState]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_COMPLETED: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_CANCELLED: RunState
RUN_STATE_TIMED_OUT: RunState
RUN_PHASE_UNSPECIFIED: RunPhase
RUN_PHASE_RETRIEVING: RunPhase
RUN_PHASE_SELECTING: RunPhase
RUN_PHASE_PARKED: RunPhase
RUN_PHASE_QUEUED: RunPhase
RUN_PHASE_GENERATING: RunPhase
ATTEMPT_CAUSE_UNSPECIFIED: AttemptCause
ATTEMPT_CAUSE_SCHEDULE_TO_START: AttemptCause
ATTEMPT_CAUSE_HEARTBEAT: AttemptCause
ATTEMPT_CAUSE_ENGINE_LOST: AttemptCause
ATTEMPT_CAUSE_TIMEOUT: AttemptCause
ATTEMPT_CAUSE_OVERLOADED: AttemptCause
ATTEMPT_CAUSE_UNAVAILABLE: AttemptCause
ATTEMPT_CAUSE_BAD_OUTPUT: AttemptCause
ATTEMPT_CAUSE_BAD_INPUT: AttemptCause
ATTEMPT_CAUSE_PAYLOAD: AttemptCause
ATTEMPT_CAUSE_STOPPED: AttemptCause
ATTEMPT_CAUSE_INTERNAL: AttemptCause
REQUEST_PRIORITY_UNSPECIFIED: RequestPriority
REQUEST_PRIORITY_INTERACTIVE: RequestPriority
REQUEST_PRIORITY_NORMAL: RequestPriority
REQUEST_PRIORITY_BATCH: RequestPriority
RAG_MODE_UNSPECIFIED: RagMode
RAG_MODE_REQUIRED: RagMode
RAG_MODE_OPTIONAL: RagMode
QUERY_REWRITING_UNSPECIFIED: QueryRewriting
QUERY_REWRITING_NONE: QueryRewriting
QUERY_REWRITING_MULTI_QUERY: QueryRewriting
QUERY_REWRITING_HYDE: QueryRewriting
QUERY_REWRITING_CONDENSE: QueryRewriting
GROUNDING_STATE_UNSPECIFIED: GroundingState
GROUNDING_STATE_GROUNDED: GroundingState
GROUNDING_STATE_NOTHING_FOUND: GroundingState
GROUNDING_STATE_UNAVAILABLE: GroundingState
GROUNDING_STATE_NOTHING_FITS: GroundingState

class Run(_message.Message):
    __slots__ = ("run_id", "state", "create_time", "end_time", "response", "error", "progress", "details", "queue_position", "estimated_wait", "shadow")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    state: RunState
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    response: ChatResponse
    error: RunError
    progress: RunProgress
    details: RunDetails
    queue_position: int
    estimated_wait: _duration_pb2.Duration
    shadow: ShadowRun
    def __init__(self, run_id: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., response: _Optional[_Union[ChatResponse, _Mapping]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., progress: _Optional[_Union[RunProgress, _Mapping]] = ..., details: _Optional[_Union[RunDetails, _Mapping]] = ..., queue_position: _Optional[int] = ..., estimated_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., shadow: _Optional[_Union[ShadowRun, _Mapping]] = ...) -> None: ...

class RunProgress(_message.Message):
    __slots__ = ("phase", "since_time", "parked_until_time", "model_id")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    PARKED_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    phase: RunPhase
    since_time: _timestamp_pb2.Timestamp
    parked_until_time: _timestamp_pb2.Timestamp
    model_id: str
    def __init__(self, phase: _Optional[_Union[RunPhase, str]] = ..., since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parked_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model_id: _Optional[str] = ...) -> None: ...

class RunDetails(_message.Message):
    __slots__ = ("selection", "attempts", "citations", "timings", "grounding")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    GROUNDING_FIELD_NUMBER: _ClassVar[int]
    selection: Selection
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    timings: RunTimings
    grounding: Grounding
    def __init__(self, selection: _Optional[_Union[Selection, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., timings: _Optional[_Union[RunTimings, _Mapping]] = ..., grounding: _Optional[_Union[Grounding, _Mapping]] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class RagOptions(_message.Message):
    __slots__ = ("collection", "top_k", "search", "mode", "query_rewriting", "recorded")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    QUERY_REWRITING_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    collection: str
    top_k: int
    search: RagSearch
    mode: RagMode
    query_rewriting: QueryRewriting
    recorded: bool
    def __init__(self, collection: _Optional[str] = ..., top_k: _Optional[int] = ..., search: _Optional[_Union[RagSearch, _Mapping]] = ..., mode: _Optional[_Union[RagMode, str]] = ..., query_rewriting: _Optional[_Union[QueryRewriting, str]] = ..., recorded: _Optional[bool] = ...) -> None: ...

class RagSearch(_message.Message):
    __slots__ = ("retriever", "filter", "min_score", "mmr_lambda", "rerank")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    MMR_LAMBDA_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    retriever: str
    filter: _retrieval_service_pb2.Filter
    min_score: float
    mmr_lambda: float
    rerank: bool
    def __init__(self, retriever: _Optional[str] = ..., filter: _Optional[_Union[_retrieval_service_pb2.Filter, _Mapping]] = ..., min_score: _Optional[float] = ..., mmr_lambda: _Optional[float] = ..., rerank: _Optional[bool] = ...) -> None: ...

class ChatRequest(_message.Message):
    __slots__ = ("request_id", "model", "messages", "sampling", "rag", "timeout", "allow_fallback", "stream", "tenant", "wait_for_model", "max_attempts", "store", "priority", "profile", "constraints", "conversation_id", "recorded_passages", "response_format", "tools", "tool_choice", "n", "metadata", "response")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    RAG_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDED_PASSAGES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    messages: _containers.RepeatedCompositeFieldContainer[_inference_service_pb2.ChatMessage]
    sampling: _inference_service_pb2.SamplingOptions
    rag: RagOptions
    timeout: _duration_pb2.Duration
    allow_fallback: bool
    stream: bool
    tenant: str
    wait_for_model: _duration_pb2.Duration
    max_attempts: int
    store: bool
    priority: RequestPriority
    profile: str
    constraints: _router_service_pb2.Constraints
    conversation_id: str
    recorded_passages: _containers.RepeatedCompositeFieldContainer[Citation]
    response_format: _inference_service_pb2.ResponseFormat
    tools: _containers.RepeatedCompositeFieldContainer[_inference_service_pb2.Tool]
    tool_choice: _inference_service_pb2.ToolChoice
    n: int
    metadata: _containers.ScalarMap[str, str]
    response: ResponseOptions
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_inference_service_pb2.ChatMessage, _Mapping]]] = ..., sampling: _Optional[_Union[_inference_service_pb2.SamplingOptions, _Mapping]] = ..., rag: _Optional[_Union[RagOptions, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., allow_fallback: _Optional[bool] = ..., stream: _Optional[bool] = ..., tenant: _Optional[str] = ..., wait_for_model: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_attempts: _Optional[int] = ..., store: _Optional[bool] = ..., priority: _Optional[_Union[RequestPriority, str]] = ..., profile: _Optional[str] = ..., constraints: _Optional[_Union[_router_service_pb2.Constraints, _Mapping]] = ..., conversation_id: _Optional[str] = ..., recorded_passages: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., response_format: _Optional[_Union[_inference_service_pb2.ResponseFormat, _Mapping]] = ..., tools: _Optional[_Iterable[_Union[_inference_service_pb2.Tool, _Mapping]]] = ..., tool_choice: _Optional[_Union[_inference_service_pb2.ToolChoice, _Mapping]] = ..., n: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., response: _Optional[_Union[ResponseOptions, _Mapping]] = ...) -> None: ...

class ResponseOptions(_message.Message):
    __slots__ = ("previous_response_id", "background", "instructions", "inherited_messages")
    PREVIOUS_RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    INHERITED_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    previous_response_id: str
    background: bool
    instructions: str
    inherited_messages: int
    def __init__(self, previous_response_id: _Optional[str] = ..., background: _Optional[bool] = ..., instructions: _Optional[str] = ..., inherited_messages: _Optional[int] = ...) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("run_id", "model", "message", "finish_reason", "usage", "selection", "citations", "timings", "attempts", "logprobs", "alternatives", "grounding")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    GROUNDING_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    model: str
    message: _inference_service_pb2.ChatMessage
    finish_reason: _inference_service_pb2.FinishReason
    usage: _common_pb2.TokenUsage
    selection: Selection
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    timings: RunTimings
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    logprobs: _containers.RepeatedCompositeFieldContainer[_inference_service_pb2.TokenLogprob]
    alternatives: _containers.RepeatedCompositeFieldContainer[_inference_service_pb2.Alternative]
    grounding: Grounding
    def __init__(self, run_id: _Optional[str] = ..., model: _Optional[str] = ..., message: _Optional[_Union[_inference_service_pb2.ChatMessage, _Mapping]] = ..., finish_reason: _Optional[_Union[_inference_service_pb2.FinishReason, str]] = ..., usage: _Optional[_Union[_common_pb2.TokenUsage, _Mapping]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., timings: _Optional[_Union[RunTimings, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., logprobs: _Optional[_Iterable[_Union[_inference_service_pb2.TokenLogprob, _Mapping]]] = ..., alternatives: _Optional[_Iterable[_Union[_inference_service_pb2.Alternative, _Mapping]]] = ..., grounding: _Optional[_Union[Grounding, _Mapping]] = ...) -> None: ...

class Grounding(_message.Message):
    __slots__ = ("state", "failure_reason", "retriever", "queries", "rewriting_failure", "rewriting_usage", "passages_left_out", "marks")
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    REWRITING_FAILURE_FIELD_NUMBER: _ClassVar[int]
    REWRITING_USAGE_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    state: GroundingState
    failure_reason: str
    retriever: str
    queries: _containers.RepeatedScalarFieldContainer[str]
    rewriting_failure: str
    rewriting_usage: _common_pb2.TokenUsage
    passages_left_out: int
    marks: _containers.RepeatedCompositeFieldContainer[CitationMark]
    def __init__(self, state: _Optional[_Union[GroundingState, str]] = ..., failure_reason: _Optional[str] = ..., retriever: _Optional[str] = ..., queries: _Optional[_Iterable[str]] = ..., rewriting_failure: _Optional[str] = ..., rewriting_usage: _Optional[_Union[_common_pb2.TokenUsage, _Mapping]] = ..., passages_left_out: _Optional[int] = ..., marks: _Optional[_Iterable[_Union[CitationMark, _Mapping]]] = ...) -> None: ...

class CitationMark(_message.Message):
    __slots__ = ("index", "start_offset", "end_offset", "supported", "overlap")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    index: int
    start_offset: int
    end_offset: int
    supported: bool
    overlap: float
    def __init__(self, index: _Optional[int] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., supported: _Optional[bool] = ..., overlap: _Optional[float] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("candidates", "rejections", "chosen_index", "snapshot_version", "snapshot_age", "profile", "complexity", "alias", "rejection_count", "shadow")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_INDEX_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_AGE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    REJECTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[_router_service_pb2.Candidate]
    rejections: _containers.RepeatedCompositeFieldContainer[_router_service_pb2.Rejection]
    chosen_index: int
    snapshot_version: int
    snapshot_age: _duration_pb2.Duration
    profile: str
    complexity: _router_service_pb2.Complexity
    alias: str
    rejection_count: int
    shadow: _router_service_pb2.Shadow
    def __init__(self, candidates: _Optional[_Iterable[_Union[_router_service_pb2.Candidate, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[_router_service_pb2.Rejection, _Mapping]]] = ..., chosen_index: _Optional[int] = ..., snapshot_version: _Optional[int] = ..., snapshot_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., profile: _Optional[str] = ..., complexity: _Optional[_Union[_router_service_pb2.Complexity, _Mapping]] = ..., alias: _Optional[str] = ..., rejection_count: _Optional[int] = ..., shadow: _Optional[_Union[_router_service_pb2.Shadow, _Mapping]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("candidate", "model_id", "failure_reason", "duration", "cause", "queue")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    candidate: int
    model_id: str
    failure_reason: str
    duration: _duration_pb2.Duration
    cause: AttemptCause
    queue: _duration_pb2.Duration
    def __init__(self, candidate: _Optional[int] = ..., model_id: _Optional[str] = ..., failure_reason: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cause: _Optional[_Union[AttemptCause, str]] = ..., queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("index", "document_id", "title", "source", "chunk_id", "score", "text", "cited", "left_out", "start_offset", "end_offset", "page", "heading_path", "document_version", "context_text")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CITED_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    HEADING_PATH_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    index: int
    document_id: str
    title: str
    source: str
    chunk_id: str
    score: float
    text: str
    cited: bool
    left_out: bool
    start_offset: int
    end_offset: int
    page: int
    heading_path: _containers.RepeatedScalarFieldContainer[str]
    document_version: int
    context_text: str
    def __init__(self, index: _Optional[int] = ..., document_id: _Optional[str] = ..., title: _Optional[str] = ..., source: _Optional[str] = ..., chunk_id: _Optional[str] = ..., score: _Optional[float] = ..., text: _Optional[str] = ..., cited: _Optional[bool] = ..., left_out: _Optional[bool] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., page: _Optional[int] = ..., heading_path: _Optional[_Iterable[str]] = ..., document_version: _Optional[int] = ..., context_text: _Optional[str] = ...) -> None: ...

class RunTimings(_message.Message):
    __slots__ = ("retrieve", "select", "generate", "total", "queue", "parked")
    RETRIEVE_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    GENERATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    retrieve: _duration_pb2.Duration
    select: _duration_pb2.Duration
    generate: _duration_pb2.Duration
    total: _duration_pb2.Duration
    queue: _duration_pb2.Duration
    parked: _duration_pb2.Duration
    def __init__(self, retrieve: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., select: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., generate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., parked: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ShadowRequest(_message.Message):
    __slots__ = ("run_id", "shadow", "tenant", "run_timeout")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RUN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    shadow: _router_service_pb2.Shadow
    tenant: str
    run_timeout: _duration_pb2.Duration
    def __init__(self, run_id: _Optional[str] = ..., shadow: _Optional[_Union[_router_service_pb2.Shadow, _Mapping]] = ..., tenant: _Optional[str] = ..., run_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MirroredRequest(_message.Message):
    __slots__ = ("messages", "sampling", "timeout", "answer")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_inference_service_pb2.ChatMessage]
    sampling: _inference_service_pb2.SamplingOptions
    timeout: _duration_pb2.Duration
    answer: MirroredAnswer
    def __init__(self, messages: _Optional[_Iterable[_Union[_inference_service_pb2.ChatMessage, _Mapping]]] = ..., sampling: _Optional[_Union[_inference_service_pb2.SamplingOptions, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., answer: _Optional[_Union[MirroredAnswer, _Mapping]] = ...) -> None: ...

class ShadowRun(_message.Message):
    __slots__ = ("state", "answer", "shadow", "comparison", "failure_reason", "cause", "skipped")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    state: RunState
    answer: MirroredAnswer
    shadow: MirroredAnswer
    comparison: AnswerComparison
    failure_reason: str
    cause: AttemptCause
    skipped: str
    def __init__(self, state: _Optional[_Union[RunState, str]] = ..., answer: _Optional[_Union[MirroredAnswer, _Mapping]] = ..., shadow: _Optional[_Union[MirroredAnswer, _Mapping]] = ..., comparison: _Optional[_Union[AnswerComparison, _Mapping]] = ..., failure_reason: _Optional[str] = ..., cause: _Optional[_Union[AttemptCause, str]] = ..., skipped: _Optional[str] = ...) -> None: ...

class MirroredAnswer(_message.Message):
    __slots__ = ("model_id", "text", "finish_reason", "usage", "duration")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    text: str
    finish_reason: _inference_service_pb2.FinishReason
    usage: _common_pb2.TokenUsage
    duration: _duration_pb2.Duration
    def __init__(self, model_id: _Optional[str] = ..., text: _Optional[str] = ..., finish_reason: _Optional[_Union[_inference_service_pb2.FinishReason, str]] = ..., usage: _Optional[_Union[_common_pb2.TokenUsage, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AnswerComparison(_message.Message):
    __slots__ = ("equal", "similarity", "answer_characters", "shadow_characters")
    EQUAL_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    equal: bool
    similarity: float
    answer_characters: int
    shadow_characters: int
    def __init__(self, equal: _Optional[bool] = ..., similarity: _Optional[float] = ..., answer_characters: _Optional[int] = ..., shadow_characters: _Optional[int] = ...) -> None: ...
