"""What a failed attempt means for the run: the one place where failures are classified."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from olo_common.errors import ErrorCode, OloError
from olo_gateway.errors import ModelUnavailable, NoModelAvailable

RETRY_AFTER_SECONDS: Final = 2.0

CONTEXT_TOO_LONG: Final = "context_too_long"
NOT_TAKEN: Final = "schedule_to_start_timeout"
WORKER_LOST: Final = "heartbeat_timeout"

LOSSES: Final = frozenset({WORKER_LOST, "engine_lost", "worker_stopping"})
"""Reasons that tell of a process that ended, and not of a busy one."""

NOT_AGAIN_ON_THE_SAME_MODEL: Final = (
    "field_invalid",
    "messages_missing",
    CONTEXT_TOO_LONG,
    "text_not_utf8",
    "model_not_found",
    "empty_output",
    "queue_full",
    "aborted",
    "deadline_exceeded",
    "TemporalTimeout:Heartbeat",
)
"""Reasons that a second attempt on the same model's queue would only repeat. A lost worker is the run's own business:
Temporal would wait for another instance as long as for the first, and would not count whom a request has killed."""

MAX_WORKERS_LOST: Final = 2
"""A request that has lost so many workers is taken for their death and gets no further one."""


class Verdict(Enum):
    """What comes after a failed attempt."""

    GIVE_UP = "give up"
    """No other model would do better, or the caller wants no more."""
    NEXT = "next"
    """Another model may do better."""
    NEXT_OR_AGAIN = "next or again"
    """Another model may do better, and so may the same one a little later."""


def verdict(failure: OloError, *, other_models: bool) -> Verdict:
    """Classifies the failure of one attempt.

    Args:
        failure: Why it failed.
        other_models: Whether the caller lets other models answer.
    """
    if failure.reason == CONTEXT_TOO_LONG:
        return Verdict.NEXT if other_models else Verdict.GIVE_UP
    if failure.reason in ("aborted", "deadline_exceeded"):
        return Verdict.GIVE_UP
    match failure.code:
        case ErrorCode.INVALID_ARGUMENT | ErrorCode.OUT_OF_RANGE | ErrorCode.CANCELLED | ErrorCode.DEADLINE_EXCEEDED:
            return Verdict.GIVE_UP
        case ErrorCode.UNAVAILABLE | ErrorCode.RESOURCE_EXHAUSTED | ErrorCode.ABORTED:
            return Verdict.NEXT_OR_AGAIN
        case _:
            return Verdict.NEXT


def worth_another_round(failures: Sequence[OloError]) -> bool:
    """Whether asking the router again makes sense after every candidate has failed."""
    return any(verdict(failure, other_models=True) is Verdict.NEXT_OR_AGAIN for failure in failures)


def conclusion(failures: Sequence[OloError], *, named: bool) -> OloError:
    """The error of a run whose candidates have all failed: the last failure that tells the caller something.

    A prompt that is too long for one model says nothing about the others; a worker that vanished is our concern alone.
    """
    if failures and all(failure.reason == CONTEXT_TOO_LONG for failure in failures):
        return failures[-1]
    telling = [f for f in failures if f.reason not in (CONTEXT_TOO_LONG, NOT_TAKEN, WORKER_LOST)]
    if telling:
        return telling[-1]
    if named:
        return ModelUnavailable("the model does not answer now", field="model", retry_after=RETRY_AFTER_SECONDS)
    return NoModelAvailable("no model answers now", retry_after=RETRY_AFTER_SECONDS)
