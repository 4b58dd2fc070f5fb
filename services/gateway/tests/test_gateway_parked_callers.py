"""Callers whose run is parked: what they are told, and that they take nobody's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from olo.gateway.v1.run_pb2 import (
    RUN_PHASE_GENERATING,
    RUN_PHASE_PARKED,
    ChatRequest,
    ChatResponse,
    RunPhase,
    RunProgress,
)
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_gateway.adapters.in_memory import InMemoryRuns, InMemoryTokenStreams
from olo_gateway.calls import watching
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.validation import RunLimits
from olo_gateway.streaming.events import Chunk, Delta, ResumePoint

RUN_ID = "run-mine"
ORDER = ChatOrder(turns=(Turn(Role.USER, "hello"),), request_id="mine", wait_for_model=20.0)


class House:
    """A gateway whose only run is as busy as it is told to be."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.tokens = InMemoryTokenStreams()
        self.runs = InMemoryRuns(self._answer)
        self.admission = Admission(Bounds(2, 2, 4.0))
        self.chats = Chats(self.runs, self.tokens, self.admission, RunLimits(30.0, 60.0))

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        await self.end.wait()
        return ChatResponse(run_id=run_id, message=ChatMessage(content="hello"))

    def is_busy(self, phase: RunPhase) -> None:
        self.runs.busy_with[RUN_ID] = RunProgress(phase=phase)

    async def in_flight(self, expected: int) -> None:
        async with asyncio.timeout(20):
            while self.admission.in_flight != expected:
                await asyncio.sleep(0.01)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(watching, "PROGRESS_SECONDS", 0.01)
    built = House()
    yield built
    built.end.set()


async def test_a_parked_caller_takes_no_place_until_a_model_is_at_its_run(house: House) -> None:
    answer = asyncio.create_task(house.chats.answer(ORDER))
    await house.in_flight(1)
    house.is_busy(RUN_PHASE_PARKED)
    await house.in_flight(0)
    house.is_busy(RUN_PHASE_GENERATING)
    await house.in_flight(1)
    house.end.set()
    assert (await answer).run_id == RUN_ID
    assert house.admission.in_flight == 0


async def test_text_says_that_a_run_is_parked_no_more(house: House) -> None:
    house.is_busy(RUN_PHASE_PARKED)
    events = house.chats.stream(ORDER)
    seen: list[ChatEvent] = [await anext(events), await anext(events)]
    assert [type(event) for event in seen] == [Started, Progress]
    assert house.admission.in_flight == 0
    house.tokens.say(RUN_ID, Chunk(1, 1, 0, "hel"))
    assert isinstance(await anext(events), Delta)
    assert house.admission.in_flight == 1
    house.end.set()
    assert [type(event) async for event in events] == [Delta, Completed]
    assert house.admission.in_flight == 0


async def test_a_run_that_is_parked_over_its_text_takes_no_place_either(house: House) -> None:
    events = house.chats.stream(ORDER)
    assert isinstance(await anext(events), Started)
    house.tokens.say(RUN_ID, Chunk(1, 1, 0, "hel"))
    assert isinstance(await anext(events), Delta)
    following = asyncio.create_task(anext(events))
    house.is_busy(RUN_PHASE_PARKED)
    await house.in_flight(0)
    house.tokens.say(RUN_ID, Chunk(2, 1, 0, "hell"))
    assert isinstance(await following, Delta)
    assert house.admission.in_flight == 1
    house.end.set()
    assert [type(event) async for event in events] == [Delta, Completed]
    assert house.admission.in_flight == 0


@pytest.mark.parametrize("point", [None, ResumePoint(3)])
async def test_whoever_follows_a_parked_run_is_told_so(house: House, point: ResumePoint | None) -> None:
    await house.runs.start(RUN_ID, ChatRequest(), "")
    house.is_busy(RUN_PHASE_PARKED)
    events = house.chats.follow(RUN_ID, point)
    seen: list[ChatEvent] = [await anext(events), await anext(events)]
    assert [type(event) for event in seen] == [Started, Progress]
    house.end.set()
    assert [type(event) async for event in events] == [Delta, Completed]


async def test_a_stream_of_a_parked_run_that_breaks_is_told_again_when_it_comes_back(house: House) -> None:
    house.is_busy(RUN_PHASE_PARKED)
    first = house.chats.stream(ORDER)
    assert [type(await anext(first)) for _ in range(2)] == [Started, Progress]
    await first.aclose()
    again = house.chats.stream(ORDER, ResumePoint(0))
    assert [type(await anext(again)) for _ in range(2)] == [Started, Progress]
    house.end.set()
    assert [type(event) async for event in again] == [Delta, Completed]
    assert len(house.runs.started) == 1
