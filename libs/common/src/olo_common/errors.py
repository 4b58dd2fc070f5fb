"""One error tree, and the one table that gives each code its gRPC status, HTTP status and OpenAI error type.

    OloError                a code of the table, a reason (`snake_case`, stable), a message for people
    +-- leaves              domain sentences, in the `errors` module of the service that raises them
    +-- RemoteError         an OloError of another process, come back over gRPC or out of a Temporal failure

Reasons travel as `google.rpc.ErrorInfo.reason` (domain `olo`) and as the type of a Temporal `ApplicationError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

ERROR_DOMAIN: Final = "olo"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row of the table."""

    grpc: int
    """Number of the canonical gRPC status code."""
    http: int
    openai_type: str
    retryable: bool
    """Whether the same request may succeed later. Only these are retried, by anyone."""


class ErrorCode(Enum):
    """The codes, named as gRPC names them."""

    INVALID_ARGUMENT = ErrorRow(3, 400, "invalid_request_error", False)
    FAILED_PRECONDITION = ErrorRow(9, 412, "invalid_request_error", False)
    OUT_OF_RANGE = ErrorRow(11, 416, "invalid_request_error", False)
    UNAUTHENTICATED = ErrorRow(16, 401, "authentication_error", False)
    PERMISSION_DENIED = ErrorRow(7, 403, "permission_error", False)
    NOT_FOUND = ErrorRow(5, 404, "not_found_error", False)
    ALREADY_EXISTS = ErrorRow(6, 409, "conflict_error", False)
    ABORTED = ErrorRow(10, 409, "conflict_error", True)
    RESOURCE_EXHAUSTED = ErrorRow(8, 429, "rate_limit_error", True)
    CANCELLED = ErrorRow(1, 499, "cancelled_error", False)
    INTERNAL = ErrorRow(13, 500, "server_error", False)
    UNIMPLEMENTED = ErrorRow(12, 501, "invalid_request_error", False)
    UNAVAILABLE = ErrorRow(14, 503, "server_error", True)
    DEADLINE_EXCEEDED = ErrorRow(4, 504, "timeout_error", False)


class OloError(Exception):
    """The base of every error that a caller may see.

    Args:
        message: One sentence for people. Holds no secret, no path, no prompt.
        field: The request field that is wrong, where it is one.
        retry_after: Seconds after which a retry makes sense, where one does.
        metadata: Further facts for programs.
    """

    code: ErrorCode = ErrorCode.INTERNAL
    reason: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.metadata: Mapping[str, str] = dict(metadata or {})

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code.value.retryable


class RemoteError(OloError):
    """An error of another process, with its code and reason as they were raised there."""

    def __init__(
        self,
        code: ErrorCode,
        reason: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, field=field, retry_after=retry_after, metadata=metadata)
        self.code = code
        self.reason = reason


class InvalidField(OloError):
    """A field of the request has a value that is not allowed."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "field_invalid"

    def __init__(self, field: str, problem: str, *, reason: str | None = None) -> None:
        super().__init__(f"{field}: {problem}", field=field)
        if reason is not None:
            self.reason = reason


class Unavailable(OloError):
    """A part that the request needs does not answer."""

    code = ErrorCode.UNAVAILABLE
    reason = "dependency_unavailable"


class StartupError(Exception):
    """A service cannot start. The message says in one sentence what to do; it is printed, and the exit code is 1."""

    EXIT_CODE: ClassVar[int] = 1
