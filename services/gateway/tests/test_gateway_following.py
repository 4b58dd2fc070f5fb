"""One caller that follows one run: what is live, what is kept, and what the result closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_gateway.adapters.in_memory import InMemoryRuns, InMemoryTokenStreams
from olo_gateway.calls import following
from olo_gateway.calls.following import ChatEvent, Completed, Following, Started
from olo_gateway.streaming.events import Chunk, Delta, ResumePoint

ANSWER = "The Nile flows north."


class House:
    """A run that ends when it is told to."""

    def __init__(self) -> None:
        self.tokens = InMemoryTokenStreams()
        self.end = asyncio.Event()
        self.runs = InMemoryRuns(self._answer)

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        await self.end.wait()
        return ChatResponse(run_id=run_id, message=ChatMessage(content=ANSWER))

    async def _start(self) -> Started:
        await self.runs.start("r", ChatRequest(), "")
        return Started("r", 0)

    def follow(self, point: ResumePoint | None = None) -> AsyncGenerator[ChatEvent, None]:
        return Following(self.tokens, "r").events(self._start, lambda: self.runs.result("r", 30), point)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    yield built
    built.end.set()


def chunk(begin: int, end: int) -> Chunk:
    return Chunk(1, 1, begin, ANSWER[begin:end])


async def text_of(events: AsyncGenerator[ChatEvent, None], until: str = ANSWER) -> list[str]:
    """The deltas until they make up this text."""
    texts: list[str] = []
    async with asyncio.timeout(20):
        async for event in events:
            if isinstance(event, Delta):
                texts.append(event.text)
            if "".join(texts) == until:
                break
    return texts


async def test_a_lost_chunk_is_read_again_as_soon_as_a_later_one_shows_the_gap(house: House) -> None:
    events = house.follow()
    assert isinstance(await anext(events), Started)
    reading = asyncio.create_task(text_of(events, ANSWER[:12]))
    house.tokens.say("r", chunk(0, 4))
    house.tokens.keep("r", chunk(4, 8))
    house.tokens.say("r", chunk(8, 12))
    assert "".join(await reading) == ANSWER[:12]
    await events.aclose()


async def test_what_was_kept_a_moment_too_late_is_known_a_moment_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEEPING_SECONDS", 0.05)
    house.tokens.keep("r", chunk(0, 4))
    events = house.follow(ResumePoint(0))
    assert await text_of(events, ANSWER[:4]) == [ANSWER[:4]]
    house.tokens.keep("r", chunk(4, 8))
    assert await text_of(events, ANSWER[4:8]) == [ANSWER[4:8]]
    await events.aclose()


async def test_all_that_comes_while_the_caller_is_busy_is_one_delta(house: House) -> None:
    events = house.follow()
    assert isinstance(await anext(events), Started)
    house.tokens.say("r", chunk(0, 1))
    assert isinstance(first := await anext(events), Delta)
    assert first.text == ANSWER[:1]
    for place in range(1, 12):
        house.tokens.say("r", chunk(place, place + 1))
    assert isinstance(second := await anext(events), Delta)
    assert second.text == ANSWER[1:12]
    house.end.set()
    assert [type(event) async for event in events] == [Delta, Completed]


async def test_a_history_that_never_comes_does_not_hold_up_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(run_id: str) -> AsyncGenerator[Chunk, None]:
        await asyncio.Event().wait()
        yield chunk(0, 1)

    monkeypatch.setattr(house.tokens, "history", silent)
    events = house.follow(ResumePoint(4))
    assert isinstance(await anext(events), Started)
    house.end.set()
    assert await text_of(events, ANSWER[4:]) == [ANSWER[4:]]
    await events.aclose()
