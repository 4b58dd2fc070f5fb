"""Profiles, explanations, rankings and replays in the SDK and on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from olo.common.v1.common_pb2 import HARDWARE_TYPE_GPU
from olo.gateway.v1 import run_pb2
from olo_client import AsyncOlo, InvalidRequestError, Olo
from olo_client.cli import program as cli


@pytest.fixture(autouse=True)
def _settled(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TARGET", served.target)
    monkeypatch.setenv("COLUMNS", "200")


def said(capsys: Any) -> str:
    return str(capsys.readouterr().out)


def test_a_chat_says_its_profile_and_constraints(served: Any) -> None:
    with Olo(served.target) as olo:
        olo.chat(
            "hi",
            profile="speed",
            conversation_id="c-1",
            constraints={"min_quality": 0.5, "max_latency": 1.5, "hardware": "gpu", "labels": {"zone": "a"}},
        )
    request = served.gateway.requests[0]
    assert (request.profile, request.conversation_id) == ("speed", "c-1")
    wanted = request.constraints
    assert (wanted.min_quality, wanted.hardware_type, dict(wanted.labels)) == (0.5, HARDWARE_TYPE_GPU, {"zone": "a"})
    assert wanted.max_latency.ToMilliseconds() == 1500
    assert not wanted.HasField("max_cost_per_1k_tokens")


@pytest.mark.parametrize("wrong", [{"hardware": "tpu"}, {"min_quality": "high"}, {"max_latency": float("nan")}])
def test_constraints_that_do_not_fit_are_refused_before_the_call(served: Any, wrong: Any) -> None:
    with Olo(served.target) as olo:
        with pytest.raises(InvalidRequestError):
            olo.chat("hi", constraints=wrong)
        with pytest.raises(InvalidRequestError):
            olo.routing.explain("hi", constraints=wrong)
    assert served.gateway.requests == []


async def test_the_clients_ask_the_same(served: Any) -> None:
    async with AsyncOlo(served.target) as olo:
        explained = await olo.routing.explain("hello", profile="auto", constraints={"capabilities": ["json"]})
        assert (await olo.routing.rankings("budget")).profile == "budget"
        assert (await olo.routing.status()).serving
        assert (await olo.runs.replay("run-1", model="m")).replay.model == "m"
    with Olo(served.target) as olo:
        assert olo.routing.explain("hello", profile="auto", constraints={"capabilities": ["json"]}) == explained
    first, last = served.gateway.requests[0], served.gateway.requests[-1]
    assert first == last
    assert (first.request.prompt.text, first.request.profile) == ("hello", "auto")


def test_route_explain_shows_what_was_weighed(capsys: Any) -> None:
    assert cli.run(["route", "explain", "Prove it.", "--profile", "auto"]) == 0
    out = said(capsys)
    assert "profile quality, snapshot 7" in out
    assert "the prompt is complex (0.90): code +3.00" in out
    assert "quality 0.90 x 0.80 (0.90 of 1)" in out
    assert "constraints.min_quality" in out
    assert "and 2 more" in out


def test_route_status_shows_who_is_out_of_order(capsys: Any) -> None:
    assert cli.run(["route", "status"]) == 0
    out = said(capsys)
    assert "it decides" in out
    assert "broken" in out
    assert "half open" in out


def test_rankings(served: Any, capsys: Any) -> None:
    assert cli.run(["models", "rankings", "--profile", "budget", "--limit", "5"]) == 0
    assert "profile budget" in said(capsys)
    assert (served.gateway.requests[0].profile, served.gateway.requests[0].limit) == ("budget", 5)
    assert cli.run(["models", "rankings", "--json"]) == 0
    assert json.loads(said(capsys))["models"][0]["model_id"] == "large"


def test_a_run_is_explained(capsys: Any) -> None:
    assert cli.run(["runs", "explain", "run-1"]) == 0
    assert "olo-demo answered" in said(capsys)
    assert cli.run(["runs", "explain", "run-1", "--json"]) == 0
    assert json.loads(said(capsys))["model"] == "olo-demo"


def test_a_run_without_an_answer_is_explained_too(served: Any, capsys: Any) -> None:
    failed = run_pb2.Run(run_id="run-3", state=run_pb2.RUN_STATE_FAILED)
    failed.error.reason = "request_poisoned"
    failed.details.selection.candidates.add(model_id="large", explanation="It is the default model.")
    failed.details.attempts.add(model_id="large", failure_reason="heartbeat_timeout", cause="ATTEMPT_CAUSE_HEARTBEAT")
    served.gateway.runs["run-3"] = failed
    assert cli.run(["runs", "explain", "run-3"]) == 0
    out = said(capsys)
    assert "failed request_poisoned" in out
    assert "It is the default model." in out
    assert "heartbeat: heartbeat_timeout" in out


def test_a_replay_shows_how_the_answers_differ(served: Any, capsys: Any) -> None:
    assert cli.run(["runs", "replay", "run-1", "--profile", "quality"]) == 0
    assert said(capsys).splitlines() == [
        "--- olo-demo (run-1)",
        "+++ chosen (run-2)",
        "@@ -1,2 +1,2 @@",
        "-42 or",
        "+43 or",
        " so",
    ]
    assert served.gateway.requests[0].profile == "quality"
