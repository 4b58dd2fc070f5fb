"""What the gateway measures: of streams, of callers who are refused, and of runs that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from olo.gateway.v1.run_pb2 import ATTEMPT_CAUSE_HEARTBEAT, Attempt, ChatResponse
from olo_common.errors import InvalidField
from olo_gateway.calls import following
from olo_gateway.errors import GatewayStopping, NoModelAvailable
from olo_gateway.runs.admission.admission import Admission, Applicant
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.streaming.events import Delta, Reset
from olo_gateway.workflows import measuring

Counted = list[tuple[str, float, dict[str, str]]]


class _Instrument:
    def __init__(self, counted: Counted, name: str) -> None:
        self._counted, self._name = counted, name

    def add(self, value: float, labels: dict[str, str]) -> None:
        self._counted.append((self._name, value, labels))

    record = add


class _Meter:
    def __init__(self) -> None:
        self.counted: Counted = []

    def create_counter(self, name: str, _: str) -> _Instrument:
        return _Instrument(self.counted, name)

    create_histogram_float = create_counter


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Meter]:
    """Stands for the meter of a workflow that began three seconds ago."""
    meter = _Meter()

    class Workflow:
        start_time = timedelta()
        metric_meter = staticmethod(lambda: meter)
        now = staticmethod(lambda: timedelta(seconds=3))

        @classmethod
        def info(cls) -> Any:
            return cls

    monkeypatch.setattr(measuring, "workflow", Workflow)
    yield meter


def test_a_run_tells_its_end_its_attempts_fallbacks_and_resumes(meter: _Meter) -> None:
    told = ChatResponse()
    told.timings.parked.FromSeconds(1)
    lost = Attempt(model_id="a", failure_reason="heartbeat_timeout", cause=ATTEMPT_CAUSE_HEARTBEAT)
    told.attempts.extend([lost, lost, Attempt(model_id="b")])
    told.usage.prompt_tokens, told.usage.completion_tokens = 5, 2
    measuring.measure(told, measuring.COMPLETED, tenant="acme")
    assert meter.counted == [
        ("olo_runs", 1, {"outcome": "completed", "reason": ""}),
        ("olo_run_duration_seconds", 3.0, {"outcome": "completed"}),
        ("olo_run_attempts", 1, {"model": "a", "cause": "heartbeat"}),
        ("olo_run_attempts", 1, {"model": "a", "cause": "heartbeat"}),
        ("olo_run_attempts", 1, {"model": "b", "cause": ""}),
        ("olo_run_resumes", 1, {"model": "a"}),
        ("olo_run_fallbacks", 1, {"model": "a"}),
        ("olo_runs_parked", 1, {}),
        ("olo_tenant_runs", 1, {"tenant": "acme", "outcome": "completed"}),
        ("olo_tenant_tokens", 5, {"tenant": "acme", "type": "prompt"}),
        ("olo_tenant_tokens", 2, {"tenant": "acme", "type": "completion"}),
    ]


def test_a_run_that_fails_before_any_attempt_tells_why(meter: _Meter) -> None:
    measuring.measure(ChatResponse(), measuring.FAILED, "no_model_available", tenant="default")
    assert [(name, labels) for name, _, labels in meter.counted] == [
        ("olo_runs", {"outcome": "failed", "reason": "no_model_available"}),
        ("olo_run_duration_seconds", {"outcome": "failed"}),
        ("olo_tenant_runs", {"tenant": "default", "outcome": "failed"}),
    ]


def test_a_request_that_is_wrong_is_no_failure_of_ours() -> None:
    assert measuring.outcome_of(InvalidField("model", "is wrong")) == measuring.REJECTED
    assert measuring.outcome_of(NoModelAvailable("no model answers now")) == measuring.FAILED


def test_refusals_are_counted_by_a_reason_that_callers_do_not_choose() -> None:
    refused: list[str] = []
    admission = Admission(Bounds(1, 1, 2.0), refuse=refused.append)
    with admission.place(Applicant("first", "made up")):
        for number in range(20):
            with (
                pytest.raises(Exception, match="in flight"),
                admission.place(Applicant(str(number), f"made-up-{number}")),
            ):
                pass
    admission.close()
    with pytest.raises(GatewayStopping), admission.place(Applicant("late", "made up")):
        pass
    assert refused == ["full"] * 20 + ["stopping"]


def test_the_first_text_is_measured_once_and_each_reset_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    firsts: list[float] = []
    resets: list[str] = []

    class Firsts:
        record = firsts.append

    class Resets:
        @staticmethod
        def add(reason: str) -> None:
            resets.append(reason)

    monkeypatch.setattr(following, "FIRST_CHUNKS", Firsts)
    monkeypatch.setattr(following, "RESETS", Resets)
    began = following._measured([], 1.0)
    assert began == 1.0
    assert following._measured([Delta("a", 0, 0), Reset("next_model"), Delta("b", 0, 0)], began) is None
    following._measured([Delta("c", 1, 0)], None)
    assert (len(firsts), resets) == (1, ["next_model"])
