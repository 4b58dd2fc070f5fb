from __future__ import annotations

from typing import Any

import pytest

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatResponse, MirroredAnswer, Run, RunDetails, ShadowRun
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from olo.router.v1 import router_service_pb2 as router
from olo_client.cli.run_report import write_run
from olo_client.cli.shadows import write_shadow
from olo_client.requests import chat_request, time_for

DETAILS = RunDetails(
    selection=run_pb2.Selection(
        candidates=[router.Candidate(model_id="m", explanation="It is the default model.")],
        rejections=[router.Rejection(model_id="n", filter="enabled", detail="off")],
    ),
    attempts=[
        run_pb2.Attempt(
            candidate=1,
            model_id="m",
            failure_reason="heartbeat_timeout",
            cause=run_pb2.ATTEMPT_CAUSE_HEARTBEAT,
            duration={"seconds": 4},
        )
    ],
    citations=[run_pb2.Citation(index=1, title="Nile", score=0.9)],
    timings=run_pb2.RunTimings(parked={"seconds": 3}, total={"seconds": 9}),
)


def test_a_parked_run_says_until_when_it_waits(capsys: Any) -> None:
    progress = run_pb2.RunProgress(phase=run_pb2.RUN_PHASE_PARKED, parked_until_time={"seconds": 1})
    write_run(Run(run_id="r", state=run_pb2.RUN_STATE_RUNNING, progress=progress))
    written = capsys.readouterr().out
    assert "r: running (parked)" in written
    assert "waits for a model until" in written


def test_a_failed_run_says_what_was_tried(capsys: Any) -> None:
    error = run_pb2.RunError(reason="request_poisoned", message="it is not tried again")
    write_run(Run(run_id="r", state=run_pb2.RUN_STATE_FAILED, error=error, details=DETAILS))
    written = capsys.readouterr().out
    for expected in (
        "request_poisoned: it is not tried again",
        "It is the default model.",
        "off",
        "heartbeat: heartbeat_timeout",
        "4.00 s",
        "Nile",
        "times: parked 3.00 s, total 9.00 s",
    ):
        assert expected in written


def test_a_run_says_which_passages_its_model_had_no_room_for(capsys: Any) -> None:
    citations = [run_pb2.Citation(index=1, title="Nile", cited=True), run_pb2.Citation(index=2, left_out=True)]
    grounding = run_pb2.Grounding(state=run_pb2.GROUNDING_STATE_GROUNDED, passages_left_out=1)
    response = ChatResponse(citations=citations, grounding=grounding)
    write_run(Run(run_id="r", state=run_pb2.RUN_STATE_COMPLETED, response=response))
    written = capsys.readouterr().out
    assert "left out" in written
    assert "passages left out, because they do not fit the model: 1" in written
    assert "without passages" not in written


def test_whoever_waits_for_a_model_has_the_usual_time_beside() -> None:
    options: Any = {"wait_for_model": 30.0}
    assert time_for(options, None, 60.0) == 90.0
    assert time_for(options, 5.0, 60.0) == 5.0
    assert chat_request("hello", options, 90.0).wait_for_model.seconds == 30
    assert not chat_request("hello", {}, 90.0).HasField("wait_for_model")


def mirrored(skipped: str = "", **shadow: Any) -> Run:
    response = ChatResponse(run_id="r", model="old")
    response.selection.shadow.model_id, response.selection.shadow.skipped = "new", skipped
    return Run(run_id="r", response=response, shadow=ShadowRun(**shadow) if shadow else None)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(response=ChatResponse(run_id="r")), ""),
        (mirrored(skipped="it has no free slot"), "not mirrored to new: it has no free slot\n"),
        (mirrored(), "mirrored to new: nothing is known of it\n"),
        (mirrored(state=run_pb2.RUN_STATE_RUNNING), "mirrored to new: running\n"),
        (
            mirrored(state=run_pb2.RUN_STATE_FAILED, failure_reason="engine_lost", cause="ATTEMPT_CAUSE_ENGINE_LOST"),
            "mirrored to new: no answer to compare (engine lost: engine_lost)\n",
        ),
    ],
    ids=["none", "skipped", "unknown", "running", "failed"],
)
def test_where_a_request_was_mirrored_to_is_said_in_a_sentence(run: Run, expected: str, capsys: Any) -> None:
    write_shadow(run)
    assert capsys.readouterr().out == expected


def test_two_answers_are_shown_beside_each_other(capsys: Any) -> None:
    run = mirrored(
        state=run_pb2.RUN_STATE_COMPLETED,
        answer=MirroredAnswer(model_id="old", text="yes", finish_reason=FINISH_REASON_STOP, duration={"seconds": 2}),
        shadow=MirroredAnswer(
            model_id="new", text="yes!", finish_reason=FINISH_REASON_LENGTH, usage={"completion_tokens": 9}
        ),
        comparison=run_pb2.AnswerComparison(similarity=0.875, answer_characters=3, shadow_characters=4),
    )
    write_shadow(run)
    written = capsys.readouterr().out
    for expected in ("88% alike", "2.00 s", "stop", "length", "the shadow said: yes!"):
        assert expected in written
    run.shadow.comparison.equal = True
    write_shadow(run)
    assert "the same answer" in capsys.readouterr().out
