"""Whoever subscribes is heard, at whatever moment of the connection's coming up it was."""

from __future__ import annotations

import asyncio

import pytest

from olo_common.nats_bus import nats_bus
from olo_common.settings import NatsSettings

pytestmark = pytest.mark.integration


async def test_every_moment_is_a_good_one_to_subscribe(nats_url: str) -> None:
    heard: list[str] = []
    everybody = asyncio.Event()
    subjects: list[str] = []

    async def hear(subject: str, _: bytes) -> None:
        heard.append(subject)
        if set(heard) == set(subjects):
            everybody.set()

    async with nats_bus(NatsSettings(url=nats_url), "test") as bus:
        connected = asyncio.ensure_future(bus.wait_connected())
        after = 0
        while after < 3:
            subjects.append(f"moment.{len(subjects)}")
            await bus.subscribe(subjects[-1], hear)
            # Past the first ones a moment is a turn of the loop: there are only so many while the server answers.
            await asyncio.sleep(0 if len(subjects) > 2 else 0.001)
            after += connected.done()
        await bus.flush()
        for subject in subjects:
            await bus.publish(subject, b"")
        await asyncio.wait_for(everybody.wait(), 10)
        await bus.flush()
    assert sorted(heard) == sorted(subjects)
