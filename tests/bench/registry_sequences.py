"""Random lives of a fleet against the registry's core: what arrives is late, doubled, reordered and lost, processes
start again, the bus and the registry go away and come back, clocks jump.

After each step a model that knows only what was delivered says which leases may live. At the end the network heals, and
the registry has to list exactly the processes that are alive. A watcher that reads now and then, and resumes, has to
end with what a new one is sent.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.bench.harness import write_csv

from olo_common.errors import OloError
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
from olo_registry.types import Announcement, Departure, HardwareType, Heartbeat, ModelType, Stamp
from olo_registry.views import ModelView, Standing, Views

LEASE = 6.0
BEAT = 2.0
MOST_DELAY = 9 * LEASE
"""Later than this nothing arrives: the registry remembers ends for ten leases, and a bus does not hold events."""
SEQUENCES = 100_000

Event = Announcement | Heartbeat | Departure


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class World:
    """Time, and a store that is always there."""

    monotonic_seconds: float = 0.0
    wall_shift: float = 0.0
    asked: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.monotonic_seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic_seconds + self.wall_shift)

    async def load(self) -> list[Entry]:
        return list(self.entries.values())

    async def save(self, entries: Sequence[Entry]) -> None:
        self.entries.update((entry.model_id, entry) for entry in entries)

    async def load_aliases(self) -> list[Alias]:
        return []

    async def save_alias(self, alias: Alias) -> None:
        raise NotImplementedError

    async def delete_alias(self, name: str) -> None:
        raise NotImplementedError

    async def request_announcements(self) -> None:
        self.asked = True

    async def request_drain(self, instance_id: str, model_id: str) -> None:
        raise NotImplementedError

    async def model_changed(self, model_id: str, version: int, registry_epoch: str) -> None:
        raise NotImplementedError


class Process:
    """A worker: it numbers what it says, and forgets its numbers when it starts again."""

    def __init__(self, number: int, model_id: str) -> None:
        self.instance_id = f"i{number}"
        self.model_id = model_id
        self.epoch = 0
        self.seq = 0
        self.alive = False

    def start(self) -> Announcement:
        self.epoch, self.seq, self.alive = self.epoch + 1, 0, True
        return self.announce()

    def announce(self) -> Announcement:
        return Announcement(
            instance_id=self.instance_id,
            model_id=self.model_id,
            stamp=self._next(),
            model_name="",
            model_type=ModelType.LLM,
            priority=1,
            default_flag=False,
            max_concurrency=1,
            context_limit=100,
            hardware_type=HardwareType.CPU,
            address=f"127.0.0.1:{1000 + int(self.instance_id[1:])}",
            task_queue=f"llm.{self.model_id}",
        )

    def beat(self) -> Heartbeat:
        return Heartbeat(self.instance_id, self.model_id, self._next(), 0, False)

    def leave(self) -> Departure:
        self.alive = False
        return Departure(self.instance_id, self._next())

    def _next(self) -> Stamp:
        self.seq += 1
        return Stamp(self.epoch, self.seq)


class Belief:
    """What may be known of one instance from what was delivered, and nothing else."""

    def __init__(self) -> None:
        self.newest = Stamp(-1, -1)
        self.live_epoch: int | None = None
        self.heard_at = 0.0

    def hear(self, event: Event, now: float) -> None:
        if event.stamp <= self.newest:
            return
        if isinstance(event, Announcement):
            self.newest, self.live_epoch, self.heard_at = event.stamp, event.stamp.epoch, now
        elif isinstance(event, Departure):
            self.newest, self.live_epoch = event.stamp, None
        elif self.live_epoch == event.stamp.epoch:
            self.newest, self.heard_at = event.stamp, now


class Life:
    """One sequence."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = World()
        self.processes = [Process(n, f"m{chance.randrange(2)}") for n in range(chance.randint(1, 4))]
        self.on_the_way: list[tuple[float, Event]] = []
        self.lives = 0
        self.seen: dict[str, ModelView] = {}
        self.seen_epoch, self.seen_version = "", 0
        self.open_registry()

    def open_registry(self) -> None:
        """A new life: the catalogue is kept, the leases are not."""
        self.lives += 1
        catalogue, aliases, leases = Catalogue(self.world.entries.values()), Aliases(), Leases(LEASE)
        # Few are remembered, so that some resumed watches are too late.
        changes = Changes(f"life {self.lives}", max_remembered=2)
        standing = Standing(Conflicts(LEASE), Quarantine(QuarantineRule(1_000_000)), Drains())
        curation = Curation(catalogue, aliases, changes, store=self.world, clock=self.world)
        self.views = Views(catalogue, aliases, leases, standing, changes)
        self.registry = Registry(curation, leases, standing, changes, announcer=self.world, clock=self.world)
        self.registry.sweep(connected=True)
        self.beliefs = {process.instance_id: Belief() for process in self.processes}

    async def run(self, steps: int) -> None:
        """Steps at random, then heals."""
        for _ in range(steps):
            await self.step()
            self.check()
        await self.heal()

    async def step(self) -> None:
        chance, process = self.chance, self.chance.choice(self.processes)
        kind = chance.random()
        if kind < 0.35:
            self.send(process.beat() if process.alive else process.start())
        elif kind < 0.45 and process.alive:
            self.send(process.leave())
        elif kind < 0.50:
            # Killed: it says nothing more, and may start again.
            process.alive = False
        elif kind < 0.80:
            await self.deliver()
        elif kind < 0.93:
            self.pass_time(chance.choice([0.1, 1.0, 2.0, 7.0]), connected=True)
        elif kind < 0.95:
            self.pass_time(chance.choice([3.0, 30.0]), connected=False)
        elif kind < 0.97:
            self.world.wall_shift += chance.choice([-3600.0, -5.0, 5.0, 3600.0])
        elif kind < 0.98:
            self.open_registry()
        else:
            await self.watch()

    def send(self, event: Event) -> None:
        for _ in range(self.chance.choice([0, 1, 1, 1, 1, 2])):
            place = self.chance.randint(0, len(self.on_the_way))
            self.on_the_way.insert(place, (self.world.monotonic(), event))

    async def deliver(self) -> None:
        if self.on_the_way:
            sent_at, event = self.on_the_way.pop(self.chance.randrange(len(self.on_the_way)))
            if self.world.monotonic() - sent_at < MOST_DELAY:
                await self.hear(event)

    async def hear(self, event: Event) -> None:
        self.beliefs[event.instance_id].hear(event, self.world.monotonic())
        if isinstance(event, Announcement):
            await self.registry.announce(event)
        elif isinstance(event, Heartbeat):
            await self.registry.heartbeat(event)
        else:
            await self.registry.leave(event)

    def pass_time(self, seconds: float, *, connected: bool) -> None:
        end = self.world.monotonic_seconds + seconds
        while self.world.monotonic_seconds < end:
            self.world.monotonic_seconds = min(self.world.monotonic_seconds + LEASE / 4, end)
            unheard = not connected
            for gone in self.registry.sweep(connected=connected):
                belief = self.beliefs[gone.instance_id]
                if self.world.monotonic() - belief.heard_at < LEASE - 1e-6:
                    raise Broken(f"{gone.instance_id} was ended before its lease")
                belief.live_epoch = None
            if unheard:
                for belief in self.beliefs.values():
                    belief.heard_at = self.world.monotonic()

    def listed(self) -> dict[str, int]:
        views, _ = self.views.models("", 100, None)
        return {seen.instance.instance_id: seen.instance.stamp.epoch for view in views for seen in view.instances}

    def check(self) -> None:
        believed = {name: belief.live_epoch for name, belief in self.beliefs.items() if belief.live_epoch is not None}
        if self.listed() != believed:
            raise Broken(f"listed {self.listed()}, delivered {believed}")

    async def heal(self) -> None:
        """All that is on the way arrives; then everybody is heard for two beats, and the dead run out."""
        while self.on_the_way:
            await self.deliver()
            self.check()
        for _ in range(5):
            self.pass_time(BEAT, connected=True)
            for process in self.processes:
                if process.alive:
                    await self.hear(process.beat())
            if self.world.asked:
                self.world.asked = False
                for process in self.processes:
                    if process.alive:
                        await self.hear(process.announce())
        self.check()
        alive = {process.instance_id: process.epoch for process in self.processes if process.alive}
        if self.listed() != alive:
            raise Broken(f"listed {self.listed()}, alive {alive}")
        await self.watch()
        current, _ = self.views.models("", 100, None)
        if {name: _comparable(view) for name, view in self.seen.items()} != {
            view.entry.model_id: _comparable(view) for view in current
        }:
            raise Broken("the watcher sees something else")

    async def watch(self) -> None:
        """The watcher comes back, takes what it is sent at first, and goes away again."""
        async with aclosing(self.views.watch(self.seen_epoch, self.seen_version)) as updates:
            update = await anext(updates)
        if update.snapshot:
            self.seen.clear()
        self.seen.update((view.entry.model_id, view) for view in update.models)
        self.seen_epoch, self.seen_version = update.registry_epoch, update.version


def _comparable(view: ModelView) -> tuple[object, ...]:
    # Load and stamps travel with the heartbeats.
    return view.entry, [(seen.instance.instance_id, seen.instance.stamp.epoch, seen.state) for seen in view.instances]


async def run_sequences(count: int, *, seed: int, steps: int = 30) -> None:
    """Runs so many sequences.

    Raises:
        Broken: With the seed of the first that breaks an invariant.
    """
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        try:
            await Life(chance).run(steps)
        except (Broken, OloError) as error:
            raise Broken(f"sequence {seed}/{number}: {error}") from error


def main() -> None:
    """Runs all of them."""
    began = time.process_time()
    asyncio.run(run_sequences(SEQUENCES, seed=1))
    seconds = time.process_time() - began
    print(f"{SEQUENCES} sequences of 30 steps, no invariant broken; {seconds:.0f} s of CPU time")
    write_csv("registry_sequences", ["sequences", "steps", "broken", "cpu_s"], [[SEQUENCES, 30, 0, round(seconds)]])


if __name__ == "__main__":
    sys.exit(main())
