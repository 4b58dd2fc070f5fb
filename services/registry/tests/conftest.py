"""Fakes of the registry's ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from olo_common.errors import Unavailable
from olo_registry.catalogue.alias import Alias
from olo_registry.catalogue.aliases import Aliases
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.catalogue.entry import Entry
from olo_registry.changes import Changes
from olo_registry.curation import Curation
from olo_registry.leases.conflicts import Conflicts
from olo_registry.leases.drains import Drains
from olo_registry.leases.quarantine import Quarantine, QuarantineRule
from olo_registry.leases.table import Leases
from olo_registry.registry import Registry
from olo_registry.views import Standing, Views


@dataclass
class FakeStore:
    saved: list[Entry] = field(default_factory=list)
    aliases: dict[str, Alias] = field(default_factory=dict)
    away: bool = False

    async def load(self) -> list[Entry]:
        return self.saved

    async def save(self, entries: Sequence[Entry]) -> None:
        if self.away:
            raise Unavailable("away")
        self.saved += entries

    async def load_aliases(self) -> list[Alias]:
        return list(self.aliases.values())

    async def save_alias(self, alias: Alias) -> None:
        if self.away:
            raise Unavailable("away")
        self.aliases[alias.name] = alias

    async def delete_alias(self, name: str) -> None:
        if self.away:
            raise Unavailable("away")
        del self.aliases[name]


@dataclass
class FakeAnnouncer:
    requests: int = 0
    changed: list[str] = field(default_factory=list)
    drained: list[str] = field(default_factory=list)

    async def request_announcements(self) -> None:
        self.requests += 1

    async def request_drain(self, instance_id: str, model_id: str) -> None:
        self.drained.append(instance_id)

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
    curation: Curation
    views: Views
    catalogue: Catalogue
    changes: Changes

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
    return make_bench()


def make_bench(max_instances: int = 4) -> Bench:
    store, announcer, clock = FakeStore(), FakeAnnouncer(), FakeClock()
    catalogue, aliases, leases = Catalogue(max_announced_priority=500), Aliases(), Leases(6.0)
    standing = Standing(Conflicts(6.0), Quarantine(QuarantineRule()), Drains())
    changes = Changes("this life")
    curation = Curation(catalogue, aliases, changes, store=store, clock=clock)
    views = Views(catalogue, aliases, leases, standing, changes)
    registry = Registry(
        curation, leases, standing, changes, announcer=announcer, clock=clock, max_instances=max_instances
    )
    registry.sweep(connected=True)
    return Bench(store, announcer, clock, registry, curation, views, catalogue, changes)
