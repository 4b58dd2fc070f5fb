"""Any one part may be killed: the supervisor starts it again, and the next question is answered.

Named to run last: it leaves a stack that has been through a lot.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from olo.gateway.v1.run_pb2 import RUN_PHASE_PARKED
from olo_client import NotFoundError, Olo
from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

QUESTION = "When did the harbour tram of Saltmere begin to run?"
PARTS = [
    "gateway",
    "registry",
    "router",
    "retrieval",
    "llm-worker",
    "llm-worker-fp32",
    "embed-worker",
    "nats",
    "temporal",
]


@pytest.mark.parametrize("part", PARTS)
def test_killed_and_the_next_question_is_answered(stack: Stack, part: str) -> None:
    before = stack.child(part)
    os.kill(before["pid"], signal.SIGKILL)
    with Olo(stack.target, timeout=90, attempts=30) as olo:
        answer = olo.chat(QUESTION, collection="demo")
    assert "began to run in 1908" in answer.citations[0].text
    after = await_restart(stack, part, before["pid"])
    assert after["restarts"] == before["restarts"] + 1


def test_a_parked_run_outlives_the_death_of_every_part(stack: Stack) -> None:
    for worker in ("llm-worker", "llm-worker-fp32"):
        os.kill(stack.child(worker)["pid"], signal.SIGSTOP)
    request_id = uuid.uuid4().hex
    with Olo(stack.target, timeout=150, attempts=60) as olo, ThreadPoolExecutor(1) as caller:
        await_true(lambda: not any(model.available for model in olo.models.list("llm")))
        asked = caller.submit(olo.chat, QUESTION, collection="demo", request_id=request_id, wait_for_model=120)
        await_true(lambda: parked(olo, f"run-{request_id}"))
        for part in PARTS:
            os.kill(stack.child(part)["pid"], signal.SIGKILL)
        answer = asked.result()
    assert "1908" in answer.message.content
    assert answer.timings.parked.seconds >= 1


def parked(olo: Olo, run_id: str) -> bool:
    try:
        return olo.runs.get(run_id).progress.phase == RUN_PHASE_PARKED
    except NotFoundError:
        return False


def await_true(condition: Callable[[], bool]) -> None:
    """Polls what only a question can tell."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.2)


def await_restart(stack: Stack, part: str, old_pid: int) -> dict[str, int]:
    """Polls the state that the supervisor writes: there is nothing else to wait on from outside."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        child = stack.child(part)
        if child["pid"] not in (None, old_pid) and child["state"] == "ready":
            return child
        time.sleep(0.1)
    raise AssertionError(f"{part} was not started again")
