"""Silence is evidence only where it could have been broken; a flood of warnings, or of refusals, is one line."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from olo_common.attention import Attention
from olo_common.errors import ErrorCode, InvalidField, RemoteError
from olo_common.failed_calls import FailedCalls
from olo_common.occasional_log import OccasionalWarning


def test_silence_counts_only_while_we_could_hear_all_the_time() -> None:
    attention = Attention(longest_gap=3.0)
    checks = [(0.0, True), (1.0, True), (2.0, False), (3.0, True), (4.0, True), (8.0, True), (9.0, True)]
    assert [attention.unbroken(now, connected) for now, connected in checks] == [
        False, True, False, False, True, False, True,
    ]  # fmt: skip


def test_a_warning_is_written_once_in_a_while_with_the_number_that_it_stands_for() -> None:
    now = 0.0
    structlog.reset_defaults()
    warn = OccasionalWarning("junk", interval_seconds=30.0, clock=lambda: now)
    with capture_logs() as lines:
        for _ in range(100):
            warn(subject="a")
        now = 30.0
        warn(subject="b")
    assert [(line["event"], line["times"], line["subject"]) for line in lines] == [("junk", 1, "a"), ("junk", 100, "b")]


def test_calls_that_are_too_many_are_one_line_and_every_other_failure_has_its_own() -> None:
    now = 0.0
    structlog.reset_defaults()
    failed = FailedCalls("rpc_failed", clock=lambda: now)
    with capture_logs() as lines:
        for _ in range(100):
            failed.tell(RemoteError(ErrorCode.RESOURCE_EXHAUSTED, "overloaded", "too many"))
            failed.tell(InvalidField("model", "unknown"))
        now = 30.0
        failed.tell(RemoteError(ErrorCode.RESOURCE_EXHAUSTED, "rate_limited", "too many"))
    away = [
        (line["log_level"], line["times"], line["reason"]) for line in lines if line["event"] == "calls_turned_away"
    ]
    assert away == [("warning", 1, "overloaded"), ("warning", 100, "rate_limited")]
    others = [(line["code"], line["reason"]) for line in lines if line["event"] == "rpc_failed"]
    assert others == [("INVALID_ARGUMENT", "field_invalid")] * 100
