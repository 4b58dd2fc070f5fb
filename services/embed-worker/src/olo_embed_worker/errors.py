"""What a caller of the embed-worker may be told."""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class ModelNotServed(OloError):
    """The request names another model than the one that this instance serves."""

    code = ErrorCode.NOT_FOUND
    reason = "model_not_found"


class QueueFull(OloError):
    """More texts are waiting than the queue may hold."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "queue_full"


class SparseNotLoaded(OloError):
    """Sparse vectors are turned off on this instance."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "sparse_not_loaded"


class RerankerNotLoaded(OloError):
    """No reranker is configured on this instance."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "reranker_not_loaded"


class EngineFailed(OloError):
    """The engine could not compute what it was asked for."""

    code = ErrorCode.INTERNAL
    reason = "engine_failed"


class Stopping(OloError):
    """The instance ends before it came to this request; another one can take it."""

    code = ErrorCode.UNAVAILABLE
    reason = "model_unavailable"
