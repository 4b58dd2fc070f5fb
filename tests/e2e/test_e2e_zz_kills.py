"""Any one part may be killed: the supervisor starts it again, and the next question is answered.

Named to run last: it leaves a stack that has been through a lot.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from olo_client import Olo
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


def await_restart(stack: Stack, part: str, old_pid: int) -> dict[str, int]:
    """Polls the state that the supervisor writes: there is nothing else to wait on from outside."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        child = stack.child(part)
        if child["pid"] not in (None, old_pid) and child["state"] == "ready":
            return child
        time.sleep(0.1)
    raise AssertionError(f"{part} was not started again")
