"""Every error that a model worker can end an attempt with, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from olo_common.errors import InvalidField, OloError
from olo_gateway.runs.attempts import NOT_AGAIN_ON_THE_SAME_MODEL, Cause, Verdict, cause_of, verdict

AGAIN, NEXT = "again on the same model", "next model"

MEANT: dict[str, tuple[Cause, str | Verdict]] = {
    "field_invalid": (Cause.BAD_INPUT, Verdict.GIVE_UP),
    "messages_missing": (Cause.BAD_INPUT, Verdict.GIVE_UP),
    "schema_invalid": (Cause.BAD_INPUT, Verdict.GIVE_UP),
    "context_too_long": (Cause.BAD_INPUT, NEXT),
    "unsupported_parameter": (Cause.BAD_INPUT, NEXT),
    "upstream_rejected": (Cause.BAD_INPUT, NEXT),
    "aborted": (Cause.STOPPED, Verdict.GIVE_UP),
    "deadline_exceeded": (Cause.TIMEOUT, Verdict.GIVE_UP),
    "queue_full": (Cause.OVERLOADED, NEXT),
    "memory_short": (Cause.OVERLOADED, AGAIN),
    "upstream_busy": (Cause.OVERLOADED, NEXT),
    "engine_lost": (Cause.ENGINE_LOST, AGAIN),
    "empty_output": (Cause.BAD_OUTPUT, NEXT),
    "output_invalid": (Cause.BAD_OUTPUT, NEXT),
    "worker_stopping": (Cause.UNAVAILABLE, AGAIN),
    "generation_stalled": (Cause.UNAVAILABLE, AGAIN),
    "model_unavailable": (Cause.UNAVAILABLE, AGAIN),
    "upstream_unavailable": (Cause.UNAVAILABLE, AGAIN),
    "upstream_broken": (Cause.UNAVAILABLE, AGAIN),
    "model_not_found": (Cause.INTERNAL, NEXT),
    "model_damaged": (Cause.INTERNAL, NEXT),
    "served_elsewhere": (Cause.INTERNAL, NEXT),
    "tokenizer_elsewhere": (Cause.INTERNAL, NEXT),
    "upstream_denied": (Cause.INTERNAL, NEXT),
    "upstream_model_missing": (Cause.INTERNAL, NEXT),
    "upstream_withheld": (Cause.INTERNAL, NEXT),
}


def leaves(kind: type[OloError]) -> Iterator[type[OloError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from leaves(leaf)


def said_by_workers() -> dict[str, type[OloError]]:
    own = {import_module(name).__name__ for name in ("olo_llm_worker.errors", "olo_llm_worker.upstream.errors")}
    return {kind.reason: kind for kind in leaves(OloError) if kind is InvalidField or kind.__module__ in own}


@pytest.mark.parametrize(("reason", "kind"), said_by_workers().items(), ids=list(said_by_workers()))
def test_every_reason_of_a_worker_has_a_cause_and_a_verdict(reason: str, kind: type[OloError]) -> None:
    failure = kind.__new__(kind)
    Exception.__init__(failure, "text")
    cause, then = MEANT[reason]
    assert cause_of(failure) is cause
    if then is Verdict.GIVE_UP:
        assert verdict(failure, other_models=True) is Verdict.GIVE_UP
    else:
        assert verdict(failure, other_models=True) is not Verdict.GIVE_UP
        asked_again = failure.retryable and reason not in NOT_AGAIN_ON_THE_SAME_MODEL
        assert asked_again == (then == AGAIN)
