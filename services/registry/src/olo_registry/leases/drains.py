"""Which instances the operator has told to drain: one start of a process each, so that a restarted one serves again."""

from __future__ import annotations

from collections.abc import Iterable

from olo_registry.leases.instance import Instance
from olo_registry.types import Heartbeat


class Drains:
    """Who has been told, by id and epoch."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}

    def begin(self, instance: Instance) -> None:
        """This start of the instance takes nothing new."""
        self._epochs[instance.instance_id] = instance.stamp.epoch

    def holds(self, instance: Instance) -> bool:
        """Whether this start of the instance has been told to drain."""
        return self._epochs.get(instance.instance_id) == instance.stamp.epoch

    def unheard(self, heartbeat: Heartbeat) -> bool:
        """Whether the instance has been told, but does not say so itself yet."""
        return not heartbeat.draining and self._epochs.get(heartbeat.instance_id) == heartbeat.stamp.epoch

    def end(self, instances: Iterable[Instance]) -> None:
        """These are gone."""
        for instance in instances:
            self._epochs.pop(instance.instance_id, None)
