"""Who contradicts a model: on record while it keeps speaking, so that an operator sees what was refused and why."""

from __future__ import annotations

from dataclasses import dataclass

from olo_registry.leases.instance import Instance

_MAX_INSTANCES = 1000


@dataclass(frozen=True, slots=True)
class Conflict:
    """An instance announces another value for a fact of its model than the live instances before it."""

    instance_id: str
    model_id: str
    field: str
    expected: str
    announced: str


def contradictions(instance: Instance, sibling: Instance) -> list[Conflict]:
    """Each fact on which the newcomer contradicts a live instance of its model."""
    return [
        Conflict(instance.instance_id, instance.model_id, field, expected, instance.facts[field])
        for field, expected in sibling.facts.items()
        if instance.facts[field] != expected
    ]


class Conflicts:
    """The record. Time is given by the caller, in seconds of a monotonic clock.

    Args:
        kept_seconds: How long a conflict stays after the last word of its instance.
    """

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._of_instance: dict[str, tuple[list[Conflict], float]] = {}

    def of_model(self, model_id: str) -> list[Conflict]:
        """The conflicts of a model, in the order of their instances."""
        found = [found for found, _ in self._of_instance.values()]
        of_model = [conflict for conflicts in found for conflict in conflicts if conflict.model_id == model_id]
        return sorted(of_model, key=lambda conflict: (conflict.instance_id, conflict.field))

    def record(self, conflicts: list[Conflict], now: float) -> bool:
        """Keeps the conflicts of one instance; whether they are news."""
        instance_id = conflicts[0].instance_id
        former = self._of_instance.pop(instance_id, None)
        if len(self._of_instance) >= _MAX_INSTANCES:
            del self._of_instance[next(iter(self._of_instance))]
        self._of_instance[instance_id] = (conflicts, now + self._kept_seconds)
        return former is None or former[0] != conflicts

    def heard(self, instance_id: str, now: float) -> None:
        """The instance still speaks."""
        if (known := self._of_instance.get(instance_id)) is not None:
            self._of_instance[instance_id] = (known[0], now + self._kept_seconds)

    def settle(self, instance_id: str) -> str | None:
        """The instance agrees now, or is gone; gives the model that it contradicted."""
        known = self._of_instance.pop(instance_id, None)
        return None if known is None else known[0][0].model_id

    def expire(self, now: float) -> set[str]:
        """Forgets those that have fallen silent; gives the models that they contradicted."""
        over = [instance_id for instance_id, (_, until) in self._of_instance.items() if until <= now]
        return {model_id for instance_id in over if (model_id := self.settle(instance_id)) is not None}
