"""`olo runs trace`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.gateway_service_pb2 import TraceRunResponse
from olo.gateway.v1.run_pb2 import RUN_STATE_RUNNING
from olo_client.cli import program as cli
from olo_client.cli.waterfall import BAR, bar_of, write_trace


@pytest.fixture(autouse=True)
def _target(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TARGET", served.target)


def test_a_trace_is_drawn_with_what_each_step_took(capsys: Any) -> None:
    assert cli.run(["runs", "trace", "run-1"]) == 0
    told = capsys.readouterr().out
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "run-1: completed, 2.000 s" in told
    assert "0.980 s" in lines["queue"]
    assert lines["queue"].count("█") == BAR // 2
    assert "engine_lost" in told
    assert "first token after 0.250 s" in lines["generate"]
    assert "trace: 0af7" in told
    assert "history: http://127.0.0.1:8233/namespaces/default/workflows/run-1/r/history" in told


def test_a_trace_can_be_read_by_programs(capsys: Any) -> None:
    assert cli.run(["runs", "trace", "run-1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in told["steps"]] == ["select", "queue", "generate", "generate"]
    assert told["trace_id"] == "0af7"


def test_what_has_not_ended_lasts_until_now(capsys: Any) -> None:
    told = TraceRunResponse(run_id="run-2", state=RUN_STATE_RUNNING)
    told.start_time.FromSeconds(1000)
    told.steps.add(name="queue", model_id="large").start_time.FromSeconds(1001)
    write_trace(told, datetime.fromtimestamp(1004, UTC))
    assert "3.000 s so far" in capsys.readouterr().out


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_a_bar_can_be_seen_and_stays_inside(start: float, end: float) -> None:
    bar = bar_of(start, end)
    assert len(bar) == BAR
    assert "█" in bar
    assert len(bar.split()) == 1
