"""What the router measures of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from olo_common.metrics import Counter, Figure, Gauge
from olo_router.routing import Routing
from olo_router.types import Load

DECISIONS: Final = Counter(
    "olo_route_decisions",
    "Selections, by the profile that they went by and the model that came first; an empty model: none could.",
    ("profile", "model"),
)
SLOTS: Final = Gauge("olo_model_slots", "Requests that the ready instances of a model can take at once.", ("model",))
SLOTS_IN_USE: Final = Gauge("olo_model_slots_in_use", "Requests that the instances of a model have.", ("model",))
READY: Final = Gauge("olo_model_instances_ready", "Instances of a model that take work.", ("model",))
BACKLOG: Final = Gauge(
    "olo_model_backlog", "Requests that wait in the task queue of a model without a free slot.", ("model",)
)
BACKLOG_AGE: Final = Gauge("olo_model_backlog_age", "How long the first of them has waited.", ("model",), unit="s")
BREAKERS: Final = Gauge(
    "olo_breakers_open", "Circuit breakers that are open or half open, of instances or of the model.", ("model",)
)
SNAPSHOT_AGE: Final = Gauge("olo_router_snapshot_age", "Seconds since the registry was there; 0 while it is.", unit="s")
INSTRUMENTS: Final = (DECISIONS, SLOTS, SLOTS_IN_USE, READY, BACKLOG, BACKLOG_AGE, BREAKERS, SNAPSHOT_AGE)


def show(routing: Routing) -> None:
    """Shows what the router knows, whenever somebody looks."""

    def loads(read: Callable[[Load], float]) -> Callable[[], Iterable[Figure]]:
        return lambda: [(read(load), {"model": model}) for model, load in routing.loads().items()]

    SLOTS.watch_each(loads(lambda load: load.capacity))
    SLOTS_IN_USE.watch_each(loads(lambda load: load.in_flight))
    READY.watch_each(loads(lambda load: load.ready))
    BACKLOG.watch_each(lambda: [(each.count, {"model": model}) for model, each in routing.backlogs.items()])
    BACKLOG_AGE.watch_each(lambda: [(each.oldest, {"model": model}) for model, each in routing.backlogs.items()])
    BREAKERS.watch_each(lambda: [(count, {"model": model}) for model, count in routing.open_breakers().items()])
    SNAPSHOT_AGE.watch(routing.age)
