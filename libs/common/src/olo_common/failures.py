"""Errors through Temporal: what fails an activity or a workflow carries its code, reason and field along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutError, TimeoutType

from olo_common.errors import ErrorCode, OloError, RemoteError

TOO_LARGE: Final = "PayloadsTooLarge"
"""How Temporal's SDK calls a result that neither fits the history nor is stored beside it."""


def to_application_error(
    error: OloError, *, retryable: bool | None = None, beside: Sequence[Any] = ()
) -> ApplicationError:
    """The failure of an activity or workflow that carries this error: its type is the reason.

    Args:
        error: The error.
        retryable: Whether Temporal may try again; None: as the error says.
        beside: What the failure carries beside the error; it is in the details after the first.
    """
    may_retry = error.retryable if retryable is None else retryable
    details: dict[str, Any] = {
        "code": error.code.name,
        "field": error.field,
        "retry_after": error.retry_after,
        "metadata": dict(error.metadata),
    }
    return ApplicationError(error.message, details, *beside, type=error.reason, non_retryable=not may_retry)


def from_failure(failure: BaseException | None) -> OloError:
    """The error that a workflow or an activity has failed with: the innermost cause that tells one."""
    while failure is not None:
        if isinstance(failure, ApplicationError) and failure.details:
            details = failure.details[0]
            if isinstance(details, Mapping) and details.get("code") in ErrorCode.__members__:
                return RemoteError(
                    ErrorCode[details["code"]],
                    failure.type or "internal",
                    failure.message,
                    field=details.get("field"),
                    retry_after=details.get("retry_after"),
                    metadata=details.get("metadata"),
                )
        if isinstance(failure, ApplicationError) and failure.type == TOO_LARGE:
            return RemoteError(ErrorCode.UNAVAILABLE, "payload_not_stored", "the answer is too large to be stored")
        if isinstance(failure, TimeoutError):
            return _from_timeout(failure)
        failure = failure.cause if isinstance(failure, FailureError | ActivityError) else failure.__cause__
    return OloError("internal error; the run's history has the details")


def _from_timeout(failure: TimeoutError) -> OloError:
    if failure.type is TimeoutType.SCHEDULE_TO_START:
        return RemoteError(ErrorCode.UNAVAILABLE, "schedule_to_start_timeout", "no worker took the task in time")
    if failure.type is TimeoutType.HEARTBEAT:
        return RemoteError(ErrorCode.UNAVAILABLE, "heartbeat_timeout", "the worker stopped answering")
    return RemoteError(ErrorCode.DEADLINE_EXCEEDED, "deadline_exceeded", "the deadline has passed")
