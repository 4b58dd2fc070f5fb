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
WORKER_STOPPING: Final = "worker_stopping"
STALLED: Final = "generation_stalled"
ENGINE_LOST: Final = "engine_lost"
BAD_OUTPUT: Final = ("empty_output", "output_invalid")
PAYLOAD_REASONS: Final = ("payload_missing", "payload_corrupt", "payload_not_stored")
UNREADABLE: Final = ("payload_key_missing", "payload_not_authentic", "payload_in_clear")
"""Reasons that tell of a worker without the keys that others have. It has begun nothing: it counts as no attempt."""

RESUMABLE: Final = (WORKER_LOST, ENGINE_LOST)
"""Reasons after which another instance of the model can go on with what was begun."""
LOSSES: Final = frozenset({*RESUMABLE, WORKER_STOPPING, STALLED})
"""Reasons that tell of a process that ended or hangs, and not of a busy one."""
NOBODY_THERE: Final = (NoModelAvailable.reason, ModelUnavailable.reason)
"""Reasons that end when a model becomes available."""
OF_THIS_MODEL: Final = frozenset({CONTEXT_TOO_LONG, "unsupported_parameter", "upstream_rejected"})
"""Wrong requests that may be right for another model."""

NOT_AGAIN_ON_THE_SAME_MODEL: Final = (*BAD_OUTPUT, "queue_full", "upstream_busy", *PAYLOAD_REASONS, *UNREADABLE)
"""Reasons of failures that could pass, after which the same model's queue does not get the task again at once. A
payload that could not be stored is no reason to generate it again."""

MAX_ATTEMPTS: Final = 6
"""Attempts of one run, of all its candidates together, unless the settings say otherwise."""
MAX_LOST: Final = 2
"""A request that has cost so many workers or engines, the last one alone, is taken for their death."""


class Cause(Enum):
    """Why an attempt has failed."""

    SCHEDULE_TO_START = "schedule_to_start"
    HEARTBEAT = "heartbeat"
    ENGINE_LOST = "engine_lost"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    BAD_OUTPUT = "bad_output"
    BAD_INPUT = "bad_input"
    PAYLOAD = "payload"
    STOPPED = "stopped"
    INTERNAL = "internal"


class Verdict(Enum):
    """What comes after a failed attempt."""

    GIVE_UP = "give up"
    """No other model would do better, or the caller wants no more."""
    NEXT = "next"
    """Another model may do better."""
    NEXT_OR_AGAIN = "next or again"
    """Another model may do better, and so may the same one a little later."""


_BY_REASON: Final = {
    NOT_TAKEN: Cause.SCHEDULE_TO_START,
    WORKER_LOST: Cause.HEARTBEAT,
    ENGINE_LOST: Cause.ENGINE_LOST,
    CONTEXT_TOO_LONG: Cause.BAD_INPUT,
    **dict.fromkeys(BAD_OUTPUT, Cause.BAD_OUTPUT),
    "aborted": Cause.STOPPED,
    **dict.fromkeys((*PAYLOAD_REASONS, *UNREADABLE), Cause.PAYLOAD),
}
_BY_CODE: Final = {
    ErrorCode.INVALID_ARGUMENT: Cause.BAD_INPUT,
    ErrorCode.OUT_OF_RANGE: Cause.BAD_INPUT,
    ErrorCode.DEADLINE_EXCEEDED: Cause.TIMEOUT,
    ErrorCode.CANCELLED: Cause.STOPPED,
    ErrorCode.RESOURCE_EXHAUSTED: Cause.OVERLOADED,
    ErrorCode.UNAVAILABLE: Cause.UNAVAILABLE,
    ErrorCode.ABORTED: Cause.UNAVAILABLE,
}
_VERDICTS: Final = {
    Cause.SCHEDULE_TO_START: Verdict.NEXT_OR_AGAIN,
    Cause.HEARTBEAT: Verdict.NEXT_OR_AGAIN,
    Cause.ENGINE_LOST: Verdict.NEXT_OR_AGAIN,
    Cause.TIMEOUT: Verdict.GIVE_UP,
    Cause.OVERLOADED: Verdict.NEXT_OR_AGAIN,
    Cause.UNAVAILABLE: Verdict.NEXT_OR_AGAIN,
    Cause.BAD_OUTPUT: Verdict.NEXT_OR_AGAIN,
    Cause.BAD_INPUT: Verdict.GIVE_UP,
    Cause.PAYLOAD: Verdict.GIVE_UP,
    Cause.STOPPED: Verdict.GIVE_UP,
    Cause.INTERNAL: Verdict.NEXT,
}


def cause_of(failure: OloError) -> Cause:
    """Classifies the failure of one attempt: by its reason where that says more, else by its code."""
    return _BY_REASON.get(failure.reason) or _BY_CODE.get(failure.code, Cause.INTERNAL)


def hands_over(failure: OloError) -> bool:
    """Whether the next attempt can go on with the tokens of one that has failed so."""
    return cause_of(failure) in (Cause.HEARTBEAT, Cause.ENGINE_LOST, Cause.UNAVAILABLE)


def verdict(failure: OloError, *, other_models: bool) -> Verdict:
    """What the failure of one attempt means for the run.

    Args:
        failure: Why it failed.
        other_models: Whether the caller lets other models answer.
    """
    if failure.reason in UNREADABLE or (failure.reason in OF_THIS_MODEL and other_models):
        return Verdict.NEXT
    return _VERDICTS[cause_of(failure)]


def worth_another_round(failures: Sequence[OloError]) -> bool:
    """Whether asking the router again makes sense after every candidate has failed."""
    return any(verdict(failure, other_models=True) is Verdict.NEXT_OR_AGAIN for failure in failures)


def conclusion(failures: Sequence[OloError], *, named: bool) -> OloError:
    """The error of a run whose candidates have all failed: the last failure that tells the caller something.

    A prompt that is too long for one model says nothing about the others; a worker that vanished is our concern alone.
    """
    if failures and all(failure.reason == CONTEXT_TOO_LONG for failure in failures):
        return failures[-1]
    telling = [f for f in failures if f.reason not in (CONTEXT_TOO_LONG, NOT_TAKEN, *LOSSES)]
    if telling:
        return telling[-1]
    if named:
        return ModelUnavailable("the model does not answer now", field="model", retry_after=RETRY_AFTER_SECONDS)
    return NoModelAvailable("no model answers now", retry_after=RETRY_AFTER_SECONDS)
