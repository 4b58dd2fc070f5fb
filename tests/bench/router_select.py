"""What a decision costs in the core: over 10, 100 and 1,000 instances, at rest and under 1,000 heartbeats a second.

Microseconds of CPU time of the thread, so that what else runs on the machine has little part in them. Peer: looking at
every instance and sorting every model anew for each request, without filters, reasons or scores.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.harness import write_csv

from olo_router.breaking.breaker import BreakerPolicy
from olo_router.breaking.breakers import Breakers
from olo_router.choosing import Chooser, Wish
from olo_router.conversations import Conversations
from olo_router.fleet.fleet import Fleet
from olo_router.learning.learner import Learner
from olo_router.selection.complexity import Prompt, by_rules
from olo_router.selection.constraints import Constraints
from olo_router.selection.profiles import Profiles
from olo_router.selection.request import Request
from olo_router.types import Attempt, CatalogueUpdate, Heartbeat, Instance, Model, ModelType, Stamp

SIZES = ((10, 10), (100, 100), (1000, 100), (1000, 1000))
"""Instances and models."""
DECISIONS = 2000
HEARTBEATS_PER_DECISION = 2
"""1,000 a second beside 500 decisions a second."""

WISHES = {
    "order": Wish(Request()),
    "named": Wish(Request(model="m7", allow_fallback=True)),
    "profile": Wish(Request(), profile="balanced"),
    "auto": Wish(Request(), profile="auto", prompt=Prompt("Compare two ways to shard a database and justify one.")),
    "constraints": Wish(Request(constraints=Constraints(min_quality=0.5, hardware="cpu")), profile="quality"),
    "affinity": Wish(Request(affinity_key="prompt"), profile="balanced", conversation_id="c"),
}


@dataclass
class Bench:
    """A router's core with a fleet in it."""

    fleet: Fleet
    chooser: Chooser
    learner: Learner
    instances: list[tuple[str, str]]
    seq: int = 1
    turn: int = 0

    def beat(self, now: float) -> None:
        """One heartbeat, each time of another instance."""
        instance_id, model_id = self.instances[self.turn % len(self.instances)]
        self.turn += 1
        self.seq += 1
        self.fleet.beat(Heartbeat(instance_id, model_id, Stamp(1, self.seq), self.turn % 4, False), now)


def built(instances: int, models: int) -> Bench:
    fleet, learner = Fleet(6.0, 300.0), Learner(900.0)
    chooser = Chooser(
        fleet,
        Breakers(BreakerPolicy()),
        learner,
        profiles=Profiles(),
        classifier=by_rules(),
        conversations=Conversations(1800.0),
    )
    told: list[tuple[Model, tuple[Instance, ...]]] = []
    names: list[tuple[str, str]] = []
    for number in range(models):
        model_id = f"m{number}"
        model = Model(
            model_id,
            ModelType.LLM,
            number % 1000,
            False,
            True,
            4096,
            f"llm.{model_id}",
            hardware="cpu",
            quality=(number % 10) / 9,
            input_cost=0.001 * (number % 13),
        )
        own = tuple(
            Instance(f"{model_id}-{n}", model_id, Stamp(1, 1), f"h:{n}", 8, 0, False)
            for n in range(instances // models)
        )
        told.append((model, own))
        names += [(instance.instance_id, model_id) for instance in own]
    fleet.update(CatalogueUpdate(1, "life", True, tuple(told)), 0.0)
    for instance_id, model_id in names:
        learner.finished(
            Attempt(
                model_id, instance_id, 1.0, first_token=0.1, generation=1.0, prompt_tokens=10, completion_tokens=99
            ),
            0.0,
        )
    return Bench(fleet, chooser, learner, names)


def timed(decide: Callable[[float], object], bench: Bench, *, heartbeats: bool) -> list[float]:
    """Microseconds of each decision; the heartbeats before it are not timed, what they leave to do is."""
    took: list[float] = []
    for turn in range(DECISIONS):
        now = turn * 0.002
        for _ in range(HEARTBEATS_PER_DECISION if heartbeats else 0):
            bench.beat(now)
        start = time.thread_time_ns()
        decide(now)
        took.append((time.thread_time_ns() - start) / 1000)
    return took


def sort_everything(bench: Bench) -> object:
    """The peer."""
    loads: dict[str, int] = {}
    for member in bench.fleet.members:
        free = member.facts.max_concurrency - member.in_flight - member.pending
        loads[member.facts.model_id] = loads.get(member.facts.model_id, 0) + free
    models = bench.fleet.models.values()
    return sorted(models, key=lambda model: (loads.get(model.model_id, 0) <= 0, -model.priority, model.model_id))[:3]


def main() -> None:
    rows: list[list[object]] = []
    for instances, models in SIZES:
        bench = built(instances, models)
        peer = statistics.median(timed(lambda _, b=bench: sort_everything(b), bench, heartbeats=False))
        for name, wish in WISHES.items():

            def decide(now: float, wish: Wish = wish, bench: Bench = bench) -> object:
                return bench.chooser.choose(wish, now, hand_out=False)

            rest = timed(decide, bench, heartbeats=False)
            busy = timed(decide, bench, heartbeats=True)
            p50, p99 = statistics.median(rest), statistics.quantiles(rest, n=100)[98]
            busy50, busy99 = statistics.median(busy), statistics.quantiles(busy, n=100)[98]
            print(
                f"select {name}, {instances} instances of {models} models: p50 {p50:.0f} us, p99 {p99:.0f} us; under "
                f"heartbeats {busy50:.0f} / {busy99:.0f} us; {p50 / peer:.2f}x of sorting everything"
            )
            rows.append([name, instances, models, *(round(each, 1) for each in (p50, p99, busy50, busy99, peer))])
    header = ["request", "instances", "models", "p50_us", "p99_us", "busy_p50_us", "busy_p99_us", "peer_p50_us"]
    write_csv("router_select", header, rows)
