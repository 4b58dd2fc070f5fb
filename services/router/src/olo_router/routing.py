"""The router: feeds in, decisions out, one clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from olo_common.errors import OloError
from olo_router.breaking.breaker import State
from olo_router.breaking.breakers import Breakers, BreakerView
from olo_router.choosing import Chooser, Decision, Wish
from olo_router.fleet.fleet import Fleet
from olo_router.learning.learner import Learner, Measurement
from olo_router.ports import Clock
from olo_router.selection.ranking import Ranking
from olo_router.types import Attempt, Backlog, CatalogueUpdate, Departure, Heartbeat, Load, ModelType

INSTANCES_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance as it is shown; `silence` in seconds."""

    instance_id: str
    model_id: str
    state: str
    max_concurrency: int
    in_flight: int
    silence: float


@dataclass(frozen=True, slots=True)
class Status:
    """What the router knows; ages in seconds."""

    problem: str
    """Why it decides nothing; empty where it does."""
    version: int
    registry_epoch: str
    age: float
    max_age: float
    models: int
    instance_count: int
    instances: tuple[InstanceView, ...]
    """At most `INSTANCES_SHOWN`."""
    breakers: tuple[BreakerView, ...]
    events_connected: bool


class Routing:
    """Gives fleet, breakers, learner and chooser their time.

    Args:
        fleet: What is known.
        breakers: Who has failed too often.
        learner: What was measured.
        chooser: Who decides.
        clock: Monotonic seconds.
        on_snapshot: Called with each word of the registry.
    """

    def __init__(
        self,
        fleet: Fleet,
        breakers: Breakers,
        learner: Learner,
        chooser: Chooser,
        *,
        clock: Clock,
        on_snapshot: Callable[[], Awaitable[None]],
    ) -> None:
        self._fleet = fleet
        self._breakers = breakers
        self._learner = learner
        self._backlogs: dict[str, Backlog] = {}
        self._chooser = chooser
        self._clock = clock
        self._on_snapshot = on_snapshot
        self._connected = False

    @property
    def chooser(self) -> Chooser:
        """Who decides."""
        return self._chooser

    @property
    def lease_seconds(self) -> float:
        """How long a silent instance is chosen."""
        return self._fleet.lease_seconds

    def select(self, wish: Wish) -> Decision:
        """Decides, and hands the request out. Raises OloError as `Chooser.choose`."""
        return self._chooser.choose(wish, self._clock(), hand_out=True)

    def explain(self, wish: Wish) -> Decision:
        """Decides, and changes nothing. Raises OloError as `Chooser.choose`."""
        return self._chooser.choose(wish, self._clock(), hand_out=False)

    def rankings(self, profile: str, model_type: ModelType, tenant: str) -> tuple[str, Ranking, int, float]:
        """As `Chooser.rankings`, with version and age of the snapshot."""
        now = self._clock()
        name, ranking = self._chooser.rankings(profile, model_type, tenant, now)
        return name, ranking, self._fleet.version, self._fleet.age(now)

    @property
    def backlogs(self) -> Mapping[str, Backlog]:
        """What waits in the queues of models that have no free slot."""
        return self._backlogs

    def loads(self) -> Mapping[str, Load]:
        """How busy each model is."""
        return self._fleet.loads()

    def open_breakers(self) -> Mapping[str, int]:
        """Breakers that are not closed, by model; zero for those that have only counted failures."""
        counts: dict[str, int] = {}
        for breaker in self._breakers.views(self._clock()):
            counts[breaker.model_id] = counts.get(breaker.model_id, 0) + (breaker.state is not State.CLOSED)
        return counts

    def age(self) -> float:
        """Seconds since the registry was there; 0 while it is. A router that has never known it knows no age."""
        return self._fleet.age(self._clock())

    def status(self) -> Status:
        """What is known now."""
        now = self._clock()
        problem = ""
        try:
            self._fleet.check(now)
        except OloError as error:
            problem = error.message
        members = sorted(self._fleet.members, key=lambda member: member.facts.instance_id)[:INSTANCES_SHOWN]
        return Status(
            problem=problem,
            version=self._fleet.version,
            registry_epoch=self._fleet.registry_epoch,
            age=self._fleet.age(now),
            max_age=self._fleet.max_age,
            models=len(self._fleet.models),
            instance_count=self._fleet.size,
            instances=tuple(
                InstanceView(
                    member.facts.instance_id,
                    member.facts.model_id,
                    member.state,
                    member.facts.max_concurrency,
                    member.in_flight,
                    max(0.0, now - member.heard_at),
                )
                for member in members
            ),
            breakers=tuple(self._breakers.views(now)),
            events_connected=self._connected,
        )

    async def updated(self, update: CatalogueUpdate) -> None:
        """The registry has said something."""
        self._fleet.update(update, self._clock())
        await self._on_snapshot()

    def registry_lost(self) -> None:
        """The registry is away."""
        self._fleet.registry_lost(self._clock())

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """An instance is alive."""
        self._fleet.beat(heartbeat, self._clock())

    def left(self, departure: Departure) -> None:
        """An instance has ended."""
        self._fleet.leave(departure)

    def finished(self, attempt: Attempt) -> None:
        """An attempt has ended at an instance."""
        if not self._fleet.finish(attempt):
            return
        now = self._clock()
        self._learner.finished(attempt, now)
        self._breakers.finished(attempt, now)
        self._fleet.hold_broken(self._breakers.open_instances(now))

    def sweep(self, *, connected: bool) -> None:
        """Ends the leases that have run out, and what else time ends."""
        now = self._clock()
        self._connected = connected
        self._fleet.sweep(now, connected=connected)
        self._breakers.tidy(now)
        self._fleet.hold_broken(self._breakers.open_instances(now))

    def full_queues(self) -> Mapping[str, str]:
        """The task queues, by model, in which requests may be waiting: those of text models without a free slot."""
        loads = self._fleet.loads()
        return {
            model.model_id: model.task_queue
            for model in self._fleet.models.values()
            if model.model_type is ModelType.LLM
            and (load := loads.get(model.model_id))
            and load.ready
            and load.at_capacity
        }

    def waiting(self, backlogs: Mapping[str, Backlog]) -> None:
        """This is waiting in the queues of models; in those that are not named, nothing."""
        self._backlogs = dict(backlogs)
        self._chooser.backlogs = {model_id: backlog.count for model_id, backlog in backlogs.items()}

    def learned(self, limit: int) -> list[Measurement]:
        """What was learned since it was asked for."""
        return self._learner.changed(self._clock(), limit)

    def not_stored(self, measurements: Iterable[Measurement]) -> None:
        """Takes back what could not be stored."""
        self._learner.not_stored(measurements)

    def recall(self, measurements: Iterable[tuple[Measurement, float]]) -> None:
        """Takes what was stored, each with its age in seconds."""
        now = self._clock()
        for measurement, age in measurements:
            self._learner.recall(measurement, age, now)
        self._learner.tidy(now)
