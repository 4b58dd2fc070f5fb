"""Failures of Temporal, and of the workflows on it, as errors of the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from olo_common.errors import InvalidField, OloError, RemoteError, Unavailable
from olo_common.failures import from_failure
from olo_common.payload_errors import PayloadNotStored
from olo_common.payload_room import ended_as_too_large
from olo_gateway.errors import Overloaded, RunCancelled
from olo_gateway.ports import RUN_STATE

RETRY_AFTER: Final = 2.0
"""Seconds after which whoever could not be served may come again."""


@contextlib.contextmanager
def temporal_errors(missing: Callable[[], OloError]) -> Iterator[None]:
    """Makes Temporal's errors ours.

    Args:
        missing: The error where there is no such workflow.
    """
    try:
        yield
    except RPCError as error:
        match error.status:
            case RPCStatusCode.NOT_FOUND:
                raise missing() from error
            case RPCStatusCode.INVALID_ARGUMENT:
                raise InvalidField("request", "the workflow service does not take it") from error
            case RPCStatusCode.RESOURCE_EXHAUSTED:
                raise Overloaded("the workflow service is overloaded", retry_after=RETRY_AFTER) from error
            case _:
                raise _away() from error
    except ApplicationError as error:
        # The request is too large for the history, and cannot be stored beside it.
        raise from_failure(error) from error
    except (RuntimeError, TimeoutError) as error:
        raise _away() from error


def error_of(failure: WorkflowFailureError) -> OloError:
    """Why a run has failed."""
    match failure.cause:
        case CancelledError():
            return RunCancelled("the run was cancelled")
        case cause if ended_as_too_large(cause):
            return _failed(PayloadNotStored("it is more than a history takes"))
        case TerminatedError():
            return RunCancelled("the run was terminated by an operator")
        case cause:
            return _failed(from_failure(cause))


def _failed(error: OloError) -> OloError:
    """The error with that fact, so that callers tell a run that has failed for good from a gateway that cannot say."""
    return RemoteError(
        error.code,
        error.reason,
        error.message,
        field=error.field,
        retry_after=error.retry_after,
        metadata={**error.metadata, RUN_STATE: "failed"},
    )


def _away() -> OloError:
    return Unavailable("the workflow service does not answer", retry_after=RETRY_AFTER)
