"""What can go wrong here.

OloError
+-- InvalidField        (common) a field of the request is wrong
+-- UnsupportedParameter  (InvalidField) a field asks for what this engine or model cannot do
+-- MessagesMissing     there is nothing to answer
+-- ContextTooLong      the prompt leaves no room in the model's context
+-- ModelNotFound       another model is meant than the one served
+-- ModelUnavailable    the model is not loaded yet, or the engine has failed
+-- EngineLost          the process of the engine has died at its work
+-- QueueFull           too many requests wait already
+-- GenerationAborted   somebody called Abort
+-- WorkerStopping      the process ends before the answer does
+-- GenerationStalled   the engine makes no progress
+-- DeadlineExceeded    the time of the request is over
+-- EmptyOutput         the model has answered with nothing
+-- OutputInvalid       the model has not answered in the form that was asked for, twice
+-- ModelDamaged        the model cannot be loaded: its directory is not sound
+-- MemoryShort         the model cannot be loaded: there is not enough memory
ModelDirectoryError     a directory is not a sound model directory, or cannot be made
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, InvalidField, OloError


class UnsupportedParameter(InvalidField):
    """A field asks for what this engine, or this model, cannot do."""

    reason = "unsupported_parameter"


class MessagesMissing(OloError):
    """There is nothing to answer."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "messages_missing"

    def __init__(self) -> None:
        super().__init__("messages: at least one is needed", field="messages")


class ContextTooLong(OloError):
    """The prompt leaves no room in the model's context."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "context_too_long"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"messages: the prompt has {tokens} tokens and the context limit of the model is {limit}, answer included",
            field="messages",
            metadata={"prompt_tokens": str(tokens), "context_limit": str(limit)},
        )


class ModelNotFound(OloError):
    """Another model is meant than the one served."""

    code = ErrorCode.NOT_FOUND
    reason = "model_not_found"

    def __init__(self, served: str) -> None:
        super().__init__(f"model_id: this instance serves {served}", field="model_id")


class ModelUnavailable(OloError):
    """The model cannot answer now."""

    code = ErrorCode.UNAVAILABLE
    reason = "model_unavailable"


class EngineLost(OloError):
    """The process of the engine has died while it worked on the request, which may be why, or not."""

    code = ErrorCode.UNAVAILABLE
    reason = "engine_lost"

    def __init__(self, doing: str = "worked on the request") -> None:
        super().__init__(f"the engine has died while it {doing}", retry_after=1.0)


class QueueFull(OloError):
    """Too many requests wait already."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "queue_full"

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{waiting} requests wait already", retry_after=retry_after)


class GenerationAborted(OloError):
    """Somebody called Abort."""

    code = ErrorCode.ABORTED
    reason = "aborted"

    def __init__(self) -> None:
        super().__init__("the generation was aborted")

    @property
    def retryable(self) -> bool:
        """It was meant to end: trying again would undo that."""
        return False


class WorkerStopping(OloError):
    """The process ends before the answer does."""

    code = ErrorCode.UNAVAILABLE
    reason = "worker_stopping"

    def __init__(self) -> None:
        super().__init__("the worker is stopping", retry_after=0.0)


class GenerationStalled(OloError):
    """The engine has made no step for too long."""

    code = ErrorCode.UNAVAILABLE
    reason = "generation_stalled"

    def __init__(self) -> None:
        super().__init__("the engine makes no progress", retry_after=1.0)


class DeadlineExceeded(OloError):
    """The time of the request is over."""

    code = ErrorCode.DEADLINE_EXCEEDED
    reason = "deadline_exceeded"

    def __init__(self) -> None:
        super().__init__("the deadline has passed before the answer was complete")


class EmptyOutput(OloError):
    """The model has answered with nothing."""

    code = ErrorCode.UNAVAILABLE
    reason = "empty_output"

    def __init__(self) -> None:
        super().__init__("the model has generated no text")


class OutputInvalid(OloError):
    """The model has not answered in the form that was asked for, twice."""

    code = ErrorCode.UNAVAILABLE
    reason = "output_invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the model did not answer in the form that was asked for: {problem}")


class ModelDamaged(OloError):
    """The model cannot be loaded: its directory is not sound."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "model_damaged"

    def __init__(self) -> None:
        super().__init__("the model directory is not sound; the worker's log says why")


class MemoryShort(OloError):
    """The model cannot be loaded: there is not enough memory."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "memory_short"

    def __init__(self) -> None:
        super().__init__("there is not enough memory to load the model")


class ModelDirectoryError(Exception):
    """A directory is not a sound model directory, or cannot be made; the message says why in one sentence."""
