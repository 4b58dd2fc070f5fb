"""Callers that hang up while their run is being started."""

from __future__ import annotations

import asyncio

import pytest

from olo.gateway.v1.run_pb2 import RUN_STATE_CANCELLED, RUN_STATE_RUNNING, ChatRequest, ChatResponse, RunState
from olo_common.errors import Unavailable
from olo_gateway.adapters.in_memory import InMemoryRuns, InMemoryTokenStreams
from olo_gateway.calls.chats import Chats
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.validation import RunLimits


class SlowRuns(InMemoryRuns):
    """Starts nothing before it may, and then it may fail."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.asked: list[str] = []
        self.may_start = asyncio.Event()
        self.away = False
        self.settled = asyncio.Event()

    async def start(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        self.asked.append(run_id)
        await self.may_start.wait()
        self.settled.set()
        if self.away:
            raise Unavailable("it does not answer")
        await super().start(run_id, request, fingerprint)

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        await asyncio.Event().wait()
        raise AssertionError


async def hung_up(runs: SlowRuns, request_id: str) -> Chats:
    """A caller has hung up before its run was started."""
    chats = Chats(runs, InMemoryTokenStreams(), Admission(Bounds(2, 2, 4.0)), RunLimits(30.0, 60.0))
    order = ChatOrder(turns=(Turn(Role.USER, "hello"),), request_id=request_id)
    call = asyncio.create_task(chats.answer(order))
    async with asyncio.timeout(10):
        while not runs.asked:
            await asyncio.sleep(0.001)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    return chats


@pytest.mark.parametrize(("request_id", "state"), [("", RUN_STATE_CANCELLED), ("mine", RUN_STATE_RUNNING)])
async def test_a_run_that_starts_after_its_caller_has_gone_is_cancelled_unless_that_may_come_back(
    request_id: str, state: RunState
) -> None:
    runs = SlowRuns()
    chats = await hung_up(runs, request_id)
    runs.may_start.set()
    await runs.settled.wait()
    await chats.close()
    assert (await runs.get(runs.asked[0])).state == state


async def test_a_run_that_was_never_started_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    runs = SlowRuns()
    runs.away = True
    chats = await hung_up(runs, "")
    runs.may_start.set()
    await chats.close()
    assert runs.settled.is_set()
    assert runs.started == []
    assert not [record for record in caplog.records if "never retrieved" in record.message]
