"""Why no model may answer.

OloError
+-- ModelNotFound       NOT_FOUND         model_not_found
+-- ModelUnavailable    UNAVAILABLE       model_unavailable
+-- NoModelAvailable    UNAVAILABLE       no_model_available
+-- ContextTooLong      INVALID_ARGUMENT  context_too_long
+-- ConstraintsUnmet    FAILED_PRECONDITION  constraints_unmet
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError

RETRY_SECONDS = 2.0
"""After this time a worker that was restarted has announced itself again."""


class ModelNotFound(OloError):
    """The catalogue has no model of the name that was asked for."""

    code = ErrorCode.NOT_FOUND
    reason = "model_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {name[:128]!r}", field="model")


class ModelUnavailable(OloError):
    """The model that was asked for cannot answer now, and no other may."""

    code = ErrorCode.UNAVAILABLE
    reason = "model_unavailable"

    def __init__(self, model_id: str, why: str, pause: float = 0.0) -> None:
        self.model_id = model_id
        retry_after = max(RETRY_SECONDS, pause)
        super().__init__(f"the model {model_id} cannot answer now: {why}", field="model", retry_after=retry_after)


class NoModelAvailable(OloError):
    """No model can answer now."""

    code = ErrorCode.UNAVAILABLE
    reason = "no_model_available"

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(f"no model can answer now: {why}", retry_after=max(RETRY_SECONDS, pause))


class ContextTooLong(OloError):
    """The request needs more tokens than any model it may use can hold."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "context_too_long"

    def __init__(self, needed: int, largest: int) -> None:
        super().__init__(
            f"the request needs {needed} tokens, and the largest context it may use holds {largest}",
            field="min_context",
            metadata={"needed": str(needed), "context_limit": str(largest)},
        )


class ConstraintsUnmet(OloError):
    """No model that may answer offers what the request wants; the field is the constraint that one fails."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "constraints_unmet"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"no model meets the constraints: {why}", field=field)
