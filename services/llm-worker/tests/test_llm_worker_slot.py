"""The place of the model: an engine that dies is started anew, unless nobody wants it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import EngineLost, ModelUnavailable
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.slot import LONGEST_PAUSE_SECONDS, ModelSlot, pause_before
from olo_llm_worker.generation.types import Job, Message, Result
from olo_testing.waiting import until

JOB = Job("r", (Message("user", "hi"),))


class Place:
    """A slot, the engines that it has made, and what it has told."""

    def __init__(self, failing: int = 0) -> None:
        self.engines: list[FakeEngine] = []
        self.told: list[bool] = []
        self.pauses: list[int] = []
        self._failing = failing
        self.slot = ModelSlot(self._make, Policy(1, 4), self._changed, pause=self._pause)

    async def _make(self) -> FakeEngine:
        self.engines.append(FakeEngine("ok", stepwise=True))
        if 1 < len(self.engines) <= 1 + self._failing:
            raise EngineLost("loaded the model")
        return self.engines[-1]

    async def _changed(self, there: bool) -> None:
        self.told.append(there)

    def _pause(self, attempt: int) -> float:
        self.pauses.append(attempt)
        return 0.0


@asynccontextmanager
async def kept(place: Place) -> AsyncIterator[Place]:
    keeper = asyncio.create_task(place.slot.keep())
    await place.slot.load()
    try:
        yield place
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})
        for engine in place.engines:
            engine.permit(100)
        await place.slot.close()


async def ask(slot: ModelSlot) -> Result:
    async with slot.scheduler.generation(JOB) as generation:
        return await generation.result()


async def test_a_dead_engine_is_started_anew_and_calls_are_refused_meanwhile() -> None:
    async with kept(Place()) as place:
        slot = place.slot
        inside, waiting = asyncio.create_task(ask(slot)), asyncio.create_task(ask(slot))
        await until(lambda: bool(place.engines[0].dispatched) and slot.scheduler.waiting == 1)
        place.engines[0].die()
        place.engines[0].permit()
        with pytest.raises(EngineLost):
            await inside
        with pytest.raises(ModelUnavailable):
            await waiting
        await until(lambda: slot.loaded)
        place.engines[1].permit(3)
        assert (await ask(slot)).text == "ok"
        assert (place.told, place.pauses) == ([True, False, True], [1])
        assert place.engines[0].closed


async def test_an_engine_that_dies_of_its_start_is_started_ever_later() -> None:
    async with kept(Place(failing=3)) as place:
        place.engines[0].die()
        await until(lambda: place.slot.loaded and len(place.engines) == 5)
        place.engines[4].die()
        await until(lambda: len(place.engines) == 6)
        assert place.pauses == [1, 2, 3, 4, 5]


async def test_an_engine_that_was_unloaded_stays_away() -> None:
    async with kept(Place()) as place:
        await place.slot.unload()
        await asyncio.sleep(0)
        assert (place.slot.loaded, place.told, len(place.engines)) == (False, [True, False], 1)
        await place.slot.load()
        place.engines[1].die()
        await until(lambda: place.slot.loaded and len(place.engines) == 3)


async def test_an_engine_that_dies_while_it_is_unloaded_is_not_started_anew() -> None:
    async with kept(Place()) as place:
        caller = asyncio.create_task(ask(place.slot))
        await until(lambda: bool(place.engines[0].dispatched))
        unloading = asyncio.create_task(place.slot.unload())
        await until(lambda: not place.slot.loaded)
        place.engines[0].die()
        place.engines[0].permit()
        with pytest.raises(EngineLost):
            await caller
        await unloading
        assert (place.slot.loaded, len(place.engines), place.told) == (False, 1, [True, False])


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [pause_before(attempt) for attempt in range(1, 40)]
    assert pauses[0] == 0.0 and pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE_SECONDS
