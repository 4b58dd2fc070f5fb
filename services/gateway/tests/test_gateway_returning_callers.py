"""Callers who come back to a run that this process does not know, while there is no place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_common.errors import Unavailable
from olo_gateway.adapters.in_memory import InMemoryRuns, InMemoryTokenStreams
from olo_gateway.calls.chats import MOST_LOOKING, Chats
from olo_gateway.calls.following import Completed
from olo_gateway.errors import Overloaded, RequestIdConflict
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.identity import fingerprint
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.validation import RunLimits, accepted

MINE = ChatOrder(turns=(Turn(Role.USER, "hello"),), request_id="mine")
OTHER = replace(MINE, request_id="other")
LIMITS = RunLimits(30.0, 60.0)


class CountedRuns(InMemoryRuns):
    """Runs that count who looks for them, and answer the look when they may."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.end = asyncio.Event()
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.away = False
        self.looking = self.most_looking = self.looked = 0

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        await self.end.wait()
        return ChatResponse(run_id=run_id, message=ChatMessage(content="hello"))

    async def exists(self, run_id: str) -> bool:
        self.looked += 1
        self.looking += 1
        self.most_looking = max(self.most_looking, self.looking)
        await self.may_look.wait()
        self.looking -= 1
        if self.away:
            raise Unavailable("the workflow service does not answer")
        return await super().exists(run_id)


class House:
    """A gateway with one place, which is taken."""

    def __init__(self) -> None:
        self.runs = CountedRuns()
        self.admission = Admission(Bounds(1, 4, 4.0, first=1))
        self.chats = Chats(self.runs, InMemoryTokenStreams(), self.admission, LIMITS)
        self.taking = asyncio.create_task(self.chats.answer(OTHER))

    async def accepted_elsewhere(self) -> None:
        await self.runs.start("run-mine", ChatRequest(), fingerprint(accepted(MINE, LIMITS)))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    async with asyncio.timeout(20):
        while not built.runs.started:
            await asyncio.sleep(0.001)
    yield built
    built.runs.end.set()
    await built.taking


async def test_a_run_of_another_replica_lets_its_caller_in(house: House) -> None:
    await house.accepted_elsewhere()
    answers = [asyncio.create_task(house.chats.answer(MINE)) for _ in range(2)]
    events = house.chats.stream(MINE)
    house.runs.end.set()
    assert [(await answer).run_id for answer in answers] == ["run-mine"] * 2
    assert isinstance([event async for event in events][-1], Completed)
    assert [run_id for run_id, _ in house.runs.started] == ["run-other", "run-mine"]
    assert house.admission.in_flight == 0


async def test_a_new_request_is_refused_and_so_is_one_without_an_id(house: House) -> None:
    for order, looked in ((MINE, 1), (replace(MINE, request_id=""), 1)):
        with pytest.raises(Overloaded):
            await house.chats.answer(order)
        assert house.runs.looked == looked
    with pytest.raises(Overloaded):
        await house.chats.begin(MINE)
    assert [run_id for run_id, _ in house.runs.started] == ["run-other"]


async def test_who_says_to_come_for_the_first_time_is_not_looked_for(house: House) -> None:
    first = replace(MINE, new=True)
    for ask in (house.chats.answer, house.chats.begin, lambda order: anext(house.chats.stream(order))):
        with pytest.raises(Overloaded):
            await ask(first)
    assert house.runs.looked == 0


async def test_who_says_so_wrongly_is_refused_once_more_and_no_more(house: House) -> None:
    await house.accepted_elsewhere()
    with pytest.raises(Overloaded):
        await house.chats.answer(replace(MINE, new=True))
    house.runs.end.set()
    assert (await house.chats.answer(MINE)).run_id == "run-mine"
    # With a place, it is the same request.
    assert (await house.chats.answer(replace(MINE, new=True))).run_id == "run-mine"
    assert [run_id for run_id, _ in house.runs.started] == ["run-other", "run-mine"]


async def test_another_request_under_the_id_is_told_so(house: House) -> None:
    await house.accepted_elsewhere()
    with pytest.raises(RequestIdConflict):
        await house.chats.answer(replace(MINE, turns=(Turn(Role.USER, "something else"),)))


async def test_where_nobody_can_say_the_refusal_stands(house: House) -> None:
    house.runs.away = True
    with pytest.raises(Overloaded):
        await house.chats.answer(MINE)


async def test_few_are_looked_up_at_a_time(house: House) -> None:
    house.runs.may_look.clear()
    callers = [
        asyncio.create_task(house.chats.answer(replace(MINE, request_id=f"new-{number}")))
        for number in range(MOST_LOOKING * 3)
    ]
    done, waiting = await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
    house.runs.may_look.set()
    outcomes = await asyncio.gather(*done, *waiting, return_exceptions=True)
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes)
    assert house.runs.most_looking == MOST_LOOKING
