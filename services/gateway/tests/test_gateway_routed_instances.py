"""Channels to instances that are called directly: more instances than channels that are kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from olo_gateway.adapters import routed_instances
from olo_gateway.adapters.routed_instances import RoutedInstances


class Channel:
    """One with calls that never end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closing = asyncio.Event()

    async def close(self, grace: float | None = None) -> None:
        self.closing.set()
        if grace is not None:
            await asyncio.Event().wait()


async def test_nobody_waits_for_the_calls_of_an_instance_that_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, Channel] = {}

    def open_channel(address: str, tls: Any) -> Channel:
        return opened.setdefault(address, Channel(address))

    monkeypatch.setattr(routed_instances, "open_channel", open_channel)
    instances = RoutedInstances(None)  # type: ignore[arg-type]
    for number in range(routed_instances._MAX_CHANNELS + 2):
        channel: Any = await asyncio.wait_for(instances.channel(f"h:{number}"), 60)
        assert channel.address == f"h:{number}"
    await asyncio.wait_for(opened["h:0"].closing.wait(), 60)
    await asyncio.wait_for(opened["h:1"].closing.wait(), 60)
    assert not opened["h:2"].closing.is_set()
    await asyncio.wait_for(instances.close(), 60)
    assert all(channel.closing.is_set() for channel in opened.values())
