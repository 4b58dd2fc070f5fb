"""Real faults. A seed says which part they hit and in which order they come."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import dataclass

from tests.chaos.history import Fault
from tests.chaos.house import House

POISON = "F8"


@dataclass(frozen=True)
class Plan:
    """A fault to come.

    Attributes:
        name: As the fault matrix calls it. F8, a request that kills its worker, hits whoever takes it.
        parts: Whom it hits: all of them.
        signal: What is sent.
        seconds: For SIGSTOP, when SIGCONT follows.
    """

    name: str
    parts: tuple[str, ...]
    signal: signal.Signals = signal.SIGKILL
    seconds: float = 0.0


def short(draw: random.Random) -> list[Plan]:
    """The three that every test run has."""
    return _shuffled(draw, [_f1(draw), Plan("F10", ("gateway",)), Plan("F16", ("nats",))])


def standard(draw: random.Random) -> list[Plan]:
    """The fixed set."""
    return _shuffled(
        draw,
        [
            _f1(draw),
            Plan("F2", ("llm-b",)),
            Plan(POISON, ()),
            Plan("F4", (_an_instance_of_a(draw),), signal.SIGSTOP, 10.0),
            Plan("F10", ("gateway",)),
            Plan("F12", ("temporal",)),
            Plan("F16", ("nats",)),
            Plan("F21", ("retrieval",), signal.SIGSTOP, 5.0),
        ],
    )


def drawn(draw: random.Random) -> Plan:
    """One of all that can be done here."""
    return draw.choice(
        [
            *standard(draw),
            Plan("F3", ("llm-a-1", "llm-a-2", "llm-b")),
            Plan("F13", ("temporal",), signal.SIGSTOP, draw.uniform(2, 20)),
            Plan("F16-stop", ("nats",), signal.SIGSTOP, draw.uniform(2, 15)),
            Plan("F10-stop", ("gateway",), signal.SIGSTOP, draw.uniform(2, 10)),
            Plan("F10-term", ("gateway",), signal.SIGTERM),
            Plan("F21-kill", ("retrieval",)),
            Plan("F23", ("embed-worker",)),
            Plan("F24", ("registry",)),
            Plan("F24-stop", ("registry",), signal.SIGSTOP, draw.uniform(5, 15)),
            Plan("F25", ("router",)),
            Plan("F25-stop", ("router",), signal.SIGSTOP, draw.uniform(2, 8)),
            Plan("two at once", ("gateway", _an_instance_of_a(draw))),
            Plan("two at once", ("temporal", "nats")),
        ]
    )


async def inflict(house: House, plan: Plan) -> list[Fault]:
    """Does it, and waits until the stack has healed."""
    faults = [Fault(plan.name, part, time.time(), pid=house.send(part, plan.signal)) for part in plan.parts]
    if plan.signal is signal.SIGSTOP:
        await asyncio.sleep(plan.seconds)
        for part in plan.parts:
            house.send(part, signal.SIGCONT)
    else:
        for fault in faults:
            await house.replaced(fault.part, fault.pid)
    await house.healed()
    for fault in faults:
        fault.ended = time.time()
    return faults


def _f1(draw: random.Random) -> Plan:
    return Plan("F1", (_an_instance_of_a(draw),))


def _an_instance_of_a(draw: random.Random) -> str:
    return draw.choice(["llm-a-1", "llm-a-2"])


def _shuffled(draw: random.Random, plans: list[Plan]) -> list[Plan]:
    draw.shuffle(plans)
    return plans
