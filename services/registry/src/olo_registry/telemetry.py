"""What the registry measures of itself."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from olo_common.metrics import Counter, Figure, Gauge
from olo_registry.views import ModelView, State, Views

MODELS: Final = Gauge(
    "olo_registry_models",
    "Models of the catalogue: `available` (an instance is ready), `unavailable`, or `disabled` by the operator.",
    ("type", "state"),
)
INSTANCES: Final = Gauge(
    "olo_registry_instances", "Live instances: `ready`, `draining` or `quarantined`.", ("type", "state")
)
CHANGES: Final = Counter("olo_registry_changes", "Models that were told to watchers as changed.")
LOST: Final = Counter("olo_registry_leases_expired", "Instances that fell silent, and were taken for dead.")
SYNCS: Final = Counter(
    "olo_benchmark_syncs",
    "Fetches of benchmarks: `succeeded`, `rejected` (the source says something strange), or `failed`.",
    ("source", "outcome"),
)
INSTRUMENTS: Final = (MODELS, INSTANCES, CHANGES, LOST, SYNCS)

AVAILABLE: Final = "available"
UNAVAILABLE: Final = "unavailable"
DISABLED: Final = "disabled"


def show(views: Views) -> None:
    """Shows what there is, whenever somebody looks."""
    MODELS.watch_each(lambda: model_figures(views.all()))
    INSTANCES.watch_each(lambda: instance_figures(views.all()))


def model_figures(models: Iterable[ModelView]) -> list[Figure]:
    """How many models of each type are in each state."""
    return _figures((model.entry.model_type.value, _state(model)) for model in models)


def instance_figures(models: Iterable[ModelView]) -> list[Figure]:
    """How many instances of each type are in each state."""
    return _figures((model.entry.model_type.value, seen.state.value) for model in models for seen in model.instances)


def _state(model: ModelView) -> str:
    if not model.entry.enabled:
        return DISABLED
    ready = any(seen.state is State.READY for seen in model.instances)
    return AVAILABLE if ready else UNAVAILABLE


def _figures(found: Iterable[tuple[str, str]]) -> list[Figure]:
    return [(count, {"type": kind, "state": state}) for (kind, state), count in sorted(Tally(found).items())]
