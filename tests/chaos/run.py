"""One chaos run: load, faults one after the other, healing, evidence."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.chaos import faults
from tests.chaos.evidence import gather
from tests.chaos.history import Fault, History
from tests.chaos.house import House, house
from tests.chaos.load import Load

Told = Callable[[Fault], None]

BEFORE_EACH = 10
"""Requests that must be answered before a fault counts."""
ROLLED = [
    "llm-a-1",
    "llm-b",
    "gateway",
    "router",
    "registry",
    "retrieval",
    "embed-worker",
    "llm-a-2",
    "nats",
    "temporal",
]


async def run(
    directory: Path, seed: int, *, rate: float, minutes: float = 0.0, brief: bool = False, told: Told = lambda _: None
) -> History:
    """The history of one stack under one seed.

    Args:
        directory: Where it keeps data and logs.
        seed: Of load and faults.
        rate: Requests in a second.
        minutes: How long faults are drawn; 0 takes the fixed set and a rolling restart.
        brief: The three faults of a test run instead.
        told: Called with each fault once the stack is whole again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    history, draw = History(seed), random.Random(seed)
    async with house(directory) as built:
        load = Load(built.gateway, seed, rate)
        load.start()
        history.asked = load.asked
        async for fault in _inflicted(built, load, draw, minutes, brief):
            history.faults.append(fault)
            told(fault)
        await load.settled(BEFORE_EACH)
        await load.stop()
        await built.healed()
        await gather(built, history)
    return history


async def _inflicted(
    built: House, load: Load, draw: random.Random, minutes: float, brief: bool
) -> AsyncIterator[Fault]:
    plans = faults.short(draw) if brief else faults.standard(draw)
    end = time.monotonic() + minutes * 60
    while True:
        plan = faults.drawn(draw) if minutes else plans.pop()
        await load.settled(BEFORE_EACH)
        # A moment of its own, so that not every fault hits right after an answer.
        await asyncio.sleep(draw.uniform(0, 0.5))
        for fault in await (_poisoned(built, load) if plan.name == faults.POISON else faults.inflict(built, plan)):
            yield fault
        if time.monotonic() >= end if minutes else not plans:
            break
    if brief:
        return
    for part in ROLLED:
        await load.settled(BEFORE_EACH // 2)
        for fault in await faults.inflict(built, faults.Plan("rolling", (part,), signal.SIGTERM)):
            yield fault


async def _poisoned(built: House, load: Load) -> list[Fault]:
    fault = Fault(faults.POISON, "llm-a", time.time())
    await load.poison()
    await built.healed()
    fault.ended = time.time()
    return [fault]
