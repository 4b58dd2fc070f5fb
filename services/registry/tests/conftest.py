"""Fakes of the registry's ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from olo_common.errors import Unavailable
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.catalogue.entry import Entry
from olo_registry.leases.table import Leases
from olo_registry.registry import Registry


@dataclass
class FakeStore:
    saved: list[Entry] = field(default_factory=list)
    away: bool = False

    async def load(self) -> list[Entry]:
        return self.saved

    async def save(self, entries: Sequence[Entry]) -> None:
        if self.away:
            raise Unavailable("away")
        self.saved += entries


@dataclass
class FakeAnnouncer:
    requests: int = 0
    changed: list[str] = field(default_factory=list)

    async def request_announcements(self) -> None:
        self.requests += 1

    async def model_changed(self, model_id: str, version: int, registry_epoch: str) -> None:
        self.changed.append(model_id)


@dataclass
class FakeClock:
    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


@dataclass
class Bench:
    """A registry among fakes."""

    store: FakeStore
    announcer: FakeAnnouncer
    clock: FakeClock
    registry: Registry

    def pass_time(self, seconds: float, *, connected: bool = True) -> list[str]:
        """Sweeps along the way, as the service does; gives the ids of those that expired."""
        gone: list[str] = []
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.seconds = min(self.clock.seconds + 0.5, end)
            gone += [instance.instance_id for instance in self.registry.sweep(connected=connected)]
        return gone


@pytest.fixture
def bench() -> Bench:
    store, announcer, clock = FakeStore(), FakeAnnouncer(), FakeClock()
    registry = Registry(
        Catalogue(max_announced_priority=500),
        Leases(6.0),
        store=store,
        announcer=announcer,
        clock=clock,
        max_instances=4,
    )
    registry.sweep(connected=True)
    return Bench(store, announcer, clock, registry)
