"""What the bus brings: events become values, junk is dropped and counted, and the listener lives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import olo_events
from olo_common.errors import InvalidField
from olo_common.nats_bus import NatsBus
from olo_contracts.subjects import subject_of
from olo_registry.adapters.nats_listener import NatsListener
from olo_registry.catalogue.validation import validate_announcement
from olo_registry.types import Announcement, Departure, Heartbeat, ModelType, Stamp

HEARTBEAT = olo_events.InstanceHeartbeat(instance_id="i1", epoch=2, seq=3, model_id="m", in_flight=1, draining=True)


class FakeBus:
    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[str, bytes], Awaitable[None]]] = {}
        self.drops: list[str] = []

    async def subscribe(self, subject: str, handler: Callable[[str, bytes], Awaitable[None]]) -> None:
        self.handlers[subject] = handler

    def dropped(self, cause: str) -> None:
        self.drops.append(cause)

    async def deliver(self, subject: str, payload: bytes) -> None:
        for pattern, handler in self.handlers.items():
            if fnmatchcase(subject, pattern):
                await handler(subject, payload)


class FakeHearer:
    def __init__(self) -> None:
        self.heard: list[Announcement | Heartbeat | Departure] = []

    async def announce(self, said: Announcement, /) -> None:
        validate_announcement(said)
        self.heard.append(said)

    async def heartbeat(self, heartbeat: Heartbeat, /) -> None:
        if heartbeat.in_flight > 1_000_000:
            raise InvalidField("in_flight", "too many")
        self.heard.append(heartbeat)

    async def leave(self, departure: Departure, /) -> None:
        self.heard.append(departure)


async def listening() -> tuple[FakeBus, FakeHearer]:
    bus, hearer = FakeBus(), FakeHearer()
    await NatsListener(cast(NatsBus, bus), hearer).subscribe()
    return bus, hearer


async def test_events_become_values() -> None:
    bus, hearer = await listening()
    announced = olo_events.InstanceAnnounced(
        instance_id="i1", epoch=1, seq=1, model_id="m", model_type=olo_events.ModelType.LLM, max_concurrency=4,
        context_limit=2048, hardware_type=olo_events.HardwareType.GPU, address="a:1", task_queue="llm.m",
    )  # fmt: skip
    left = olo_events.InstanceLeft(instance_id="i1", epoch=2, seq=4, model_id="m")
    for event in (announced, HEARTBEAT, left):
        await bus.deliver(subject_of(event), bytes(event))
    first, second, third = hearer.heard
    assert isinstance(first, Announcement)
    assert first.model_type is ModelType.LLM
    assert second == Heartbeat("i1", "m", Stamp(2, 3), 1, True)
    assert third == Departure("i1", Stamp(2, 4))
    assert bus.drops == []


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff\xff",
        b"\x0a\xff\xff\xff\xff\x0f",
        bytes(1024 * 1024),
        b"\x0a\x02i1" * 200_000,
        b"not a message at all",
        # in_flight as a varint of ten bytes: -1 as int64 has it.
        b"\x0a\x02i1\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        bytes(olo_events.InstanceHeartbeat(instance_id="*", epoch=1, seq=1, model_id="m")),
        b"",
    ],
)
async def test_junk_is_dropped_and_counted_and_the_next_event_is_heard(payload: bytes) -> None:
    bus, hearer = await listening()
    await bus.deliver("olo.registry.v1.instance.heartbeat.i1", payload)
    assert bus.drops == ["malformed"]
    await bus.deliver(subject_of(HEARTBEAT), bytes(HEARTBEAT))
    assert len(hearer.heard) == 1


async def test_an_announcement_of_an_unknown_type_is_dropped() -> None:
    bus, hearer = await listening()
    event = olo_events.InstanceAnnounced(instance_id="i1", epoch=1, seq=1, model_id="m")
    await bus.deliver(subject_of(event), bytes(event) + b"\x30\x63")
    assert bus.drops == ["malformed"]
    assert hearer.heard == []


@given(st.binary(max_size=300))
async def test_no_bytes_end_the_listener(payload: bytes) -> None:
    bus, _ = await listening()
    for subject in ("announced", "heartbeat", "left"):
        await bus.deliver(f"olo.registry.v1.instance.{subject}.i1", payload)
