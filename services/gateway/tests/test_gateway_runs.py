from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest

from olo.gateway.v1.run_pb2 import AttemptCause
from olo_common.errors import ErrorCode, OloError, RemoteError
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.attempts import Cause, Verdict, cause_of, conclusion, verdict, worth_another_round
from olo_gateway.runs.identity import fingerprint, run_id_of
from olo_gateway.runs.order import ChatOrder, Rag, Role, Sampling, Turn

ORDER = ChatOrder(turns=(Turn(Role.USER, "Where is the Nile?"),))


def failed(code: ErrorCode, reason: str) -> OloError:
    return RemoteError(code, reason, "text")


NOT_TAKEN = failed(ErrorCode.UNAVAILABLE, "schedule_to_start_timeout")
LOST = failed(ErrorCode.UNAVAILABLE, "heartbeat_timeout")
FULL = failed(ErrorCode.RESOURCE_EXHAUSTED, "queue_full")
EMPTY = failed(ErrorCode.UNAVAILABLE, "empty_output")
ENGINE = failed(ErrorCode.UNAVAILABLE, "engine_lost")
STOPPING = failed(ErrorCode.UNAVAILABLE, "worker_stopping")
UNSUPPORTED = failed(ErrorCode.INVALID_ARGUMENT, "unsupported_parameter")
UNSTORED = failed(ErrorCode.UNAVAILABLE, "payload_not_stored")
BROKEN = failed(ErrorCode.INTERNAL, "something_else")
LONG = failed(ErrorCode.INVALID_ARGUMENT, "context_too_long")
INVALID = failed(ErrorCode.INVALID_ARGUMENT, "field_invalid")
ABORTED = failed(ErrorCode.ABORTED, "aborted")
LATE = failed(ErrorCode.DEADLINE_EXCEEDED, "deadline_exceeded")
WRONG = failed(ErrorCode.NOT_FOUND, "model_not_found")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (NOT_TAKEN, Verdict.NEXT_OR_AGAIN),
        (LOST, Verdict.NEXT_OR_AGAIN),
        (FULL, Verdict.NEXT_OR_AGAIN),
        (EMPTY, Verdict.NEXT_OR_AGAIN),
        (ENGINE, Verdict.NEXT_OR_AGAIN),
        (UNSTORED, Verdict.GIVE_UP),
        (BROKEN, Verdict.NEXT),
        (WRONG, Verdict.NEXT),
        (LONG, Verdict.NEXT),
        (UNSUPPORTED, Verdict.NEXT),
        (INVALID, Verdict.GIVE_UP),
        (ABORTED, Verdict.GIVE_UP),
        (LATE, Verdict.GIVE_UP),
        (failed(ErrorCode.CANCELLED, "cancelled"), Verdict.GIVE_UP),
        (OloError("crash"), Verdict.NEXT),
    ],
    ids=lambda value: getattr(value, "reason", getattr(value, "name", "")),
)
def test_each_failure_has_one_verdict(failure: OloError, expected: Verdict) -> None:
    assert verdict(failure, other_models=True) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (NOT_TAKEN, Cause.SCHEDULE_TO_START),
        (LOST, Cause.HEARTBEAT),
        (ENGINE, Cause.ENGINE_LOST),
        (LATE, Cause.TIMEOUT),
        (FULL, Cause.OVERLOADED),
        (STOPPING, Cause.UNAVAILABLE),
        (EMPTY, Cause.BAD_OUTPUT),
        (LONG, Cause.BAD_INPUT),
        (INVALID, Cause.BAD_INPUT),
        (UNSTORED, Cause.PAYLOAD),
        (ABORTED, Cause.STOPPED),
        (BROKEN, Cause.INTERNAL),
    ],
    ids=lambda value: getattr(value, "reason", getattr(value, "name", "")),
)
def test_each_failure_has_one_cause(failure: OloError, expected: Cause) -> None:
    assert cause_of(failure) is expected


def test_every_cause_has_a_word_in_the_contract() -> None:
    assert {f"ATTEMPT_CAUSE_{cause.name}" for cause in Cause} == {*AttemptCause.keys()} - {"ATTEMPT_CAUSE_UNSPECIFIED"}


@pytest.mark.parametrize("failure", [LONG, UNSUPPORTED], ids=lambda failure: failure.reason)
def test_what_the_named_model_cannot_do_is_final(failure: OloError) -> None:
    assert verdict(failure, other_models=False) is Verdict.GIVE_UP


@pytest.mark.parametrize(
    ("failures", "named", "reason"),
    [
        ([LONG, LONG], False, "context_too_long"),
        ([FULL, LONG], False, "queue_full"),
        ([BROKEN, NOT_TAKEN], False, "something_else"),
        ([NOT_TAKEN, LOST], False, "no_model_available"),
        ([ENGINE, ENGINE], False, "no_model_available"),
        ([STOPPING, STOPPING], False, "no_model_available"),
        ([UNSUPPORTED, NOT_TAKEN], False, "unsupported_parameter"),
        ([LONG, NOT_TAKEN], False, "no_model_available"),
        ([NOT_TAKEN], True, "model_unavailable"),
        ([], False, "no_model_available"),
    ],
)
def test_the_last_telling_failure_is_the_conclusion(failures: list[OloError], named: bool, reason: str) -> None:
    concluded = conclusion(failures, named=named)
    assert concluded.reason == reason
    if concluded.code is ErrorCode.UNAVAILABLE:
        assert concluded.retry_after


def test_only_passing_trouble_is_worth_another_round() -> None:
    assert worth_another_round([LONG, NOT_TAKEN])
    assert not worth_another_round([LONG, BROKEN])


def test_run_ids_are_readable_and_never_too_long() -> None:
    assert run_id_of("order-7") == "run-order-7"
    for request_id in ("a" * 124, "a" * 125, "a" * 128):
        assert is_valid(REQUEST_ID, run_id_of(request_id))
    assert run_id_of("a" * 127) != run_id_of("a" * 128)


def test_the_fingerprint_is_of_what_is_asked() -> None:
    same = replace(ORDER, request_id="x", timeout=3.0, wait_for_model=4.0, priority=Priority.BATCH)
    assert fingerprint(ORDER) == fingerprint(same)
    others = [
        replace(ORDER, model="m"),
        replace(ORDER, rag=Rag("demo")),
        replace(ORDER, sampling=Sampling(temperature=0.0)),
        replace(ORDER, turns=(Turn(Role.ASSISTANT, "Where is the Nile?"),)),
        replace(ORDER, allow_fallback=True),
    ]
    assert len({fingerprint(order) for order in [ORDER, *others]}) == 6


def test_a_field_that_nobody_has_set_does_not_change_the_fingerprint() -> None:
    @dataclass(frozen=True, slots=True)
    class LaterOrder(ChatOrder):
        further: int = 0

    said = {field.name: getattr(ORDER, field.name) for field in fields(ORDER)}
    assert fingerprint(LaterOrder(**said)) == fingerprint(ORDER)
    assert fingerprint(LaterOrder(**said, further=1)) != fingerprint(ORDER)
