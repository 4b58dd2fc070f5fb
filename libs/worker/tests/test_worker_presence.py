"""Presence, against a real NATS server."""

from __future__ import annotations

import asyncio

import pytest

import olo_events
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings
from olo_contracts.subjects import pattern_of, subject_of
from olo_worker.presence import Advertisement, Presence, present

pytestmark = pytest.mark.integration

Heard = asyncio.Queue[olo_events.InstanceAnnounced | olo_events.InstanceHeartbeat | olo_events.InstanceLeft]


def advertisement(name: str) -> Advertisement:
    return Advertisement(
        instance_id=name,
        model_id="m",
        model_name="M",
        model_type=olo_events.ModelType.LLM,
        priority=7,
        default_flag=True,
        max_concurrency=3,
        context_limit=2048,
        hardware_type=olo_events.HardwareType.CPU,
        address="127.0.0.1:1",
        task_queue="llm.m",
        capabilities=["tools"],
        labels={"zone": "a"},
    )


async def listen(bus: NatsBus, name: str) -> Heard:
    heard: Heard = asyncio.Queue()
    for event_type in (olo_events.InstanceAnnounced, olo_events.InstanceHeartbeat, olo_events.InstanceLeft):

        async def handle(_: str, payload: bytes, kind: type[olo_events.InstanceAnnounced] = event_type) -> None:
            event = kind.parse(payload)
            if event.instance_id == name:
                heard.put_nowait(event)

        await bus.subscribe(pattern_of(event_type), handle)
    return heard


async def test_announce_renew_answer_and_leave(nats_url: str) -> None:
    settings = NatsSettings(url=nats_url)
    lifetime = Lifetime()
    async with nats_bus(settings, "listener") as listener, nats_bus(settings, "worker") as bus:
        await asyncio.wait_for(listener.wait_connected(), 5)
        heard = await listen(listener, "presence-1")
        await listener.flush()
        presence = Presence(
            bus, advertisement("presence-1"), in_flight=lambda: 2, able=lambda: True, heartbeat_seconds=0.05
        )
        async with present(presence, bus, lifetime):
            first = await asyncio.wait_for(heard.get(), 5)
            assert isinstance(first, olo_events.InstanceAnnounced)
            assert (first.model_id, first.priority, first.max_concurrency, first.in_flight) == ("m", 7, 3, 2)
            assert (first.capabilities, first.labels) == (["tools"], {"zone": "a"})
            seen = [first]
            while not isinstance(seen[-1], olo_events.InstanceHeartbeat):
                seen.append(await asyncio.wait_for(heard.get(), 5))
            asked = olo_events.InstancesRequested(requester="test")
            await listener.publish(subject_of(asked), bytes(asked))
            while not isinstance(seen[-1], olo_events.InstanceAnnounced):
                seen.append(await asyncio.wait_for(heard.get(), 5))
        while not isinstance(seen[-1], olo_events.InstanceLeft):
            seen.append(await asyncio.wait_for(heard.get(), 5))
    assert len({event.epoch for event in seen}) == 1
    assert [event.seq for event in seen] == sorted({event.seq for event in seen})
    assert lifetime.failure is None


async def test_a_worker_that_cannot_work_is_silent(nats_url: str) -> None:
    settings = NatsSettings(url=nats_url)
    able = False
    async with nats_bus(settings, "listener") as listener, nats_bus(settings, "worker") as bus:
        await asyncio.wait_for(listener.wait_connected(), 5)
        await asyncio.wait_for(bus.wait_connected(), 5)
        heard = await listen(listener, "presence-2")
        await listener.flush()
        presence = Presence(
            bus, advertisement("presence-2"), in_flight=lambda: 0, able=lambda: able, heartbeat_seconds=0.02
        )
        async with present(presence, bus, Lifetime()):
            await presence.announce()
            await bus.flush()
            assert heard.empty()
            able = True
            assert isinstance(await asyncio.wait_for(heard.get(), 5), olo_events.InstanceAnnounced)


async def test_a_worker_that_is_told_to_drain_takes_nothing_more_and_says_so_with_every_event(nats_url: str) -> None:
    settings = NatsSettings(url=nats_url)
    stops: list[str] = []

    async def stop_taking() -> None:
        stops.append("stopped")

    async with nats_bus(settings, "listener") as listener, nats_bus(settings, "worker") as bus:
        await asyncio.wait_for(listener.wait_connected(), 5)
        heard = await listen(listener, "presence-3")
        await listener.flush()
        presence = Presence(
            bus,
            advertisement("presence-3"),
            in_flight=lambda: 1,
            able=lambda: True,
            heartbeat_seconds=0.05,
            stop_taking=stop_taking,
        )
        async with present(presence, bus, Lifetime()):
            event = await asyncio.wait_for(heard.get(), 5)
            assert isinstance(event, olo_events.InstanceAnnounced)
            assert not event.draining
            asked = olo_events.InstanceDrainRequested(instance_id="presence-3", model_id="m")
            for _ in range(2):
                await listener.publish(subject_of(asked), bytes(asked))
            while not (isinstance(event, olo_events.InstanceHeartbeat) and event.draining):
                event = await asyncio.wait_for(heard.get(), 5)
            await presence.announce()
            while not isinstance(event, olo_events.InstanceAnnounced):
                event = await asyncio.wait_for(heard.get(), 5)
            assert event.draining
    assert stops == ["stopped"]
