"""What is known at the moment of a decision; nothing of it changes while it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olo_router.breaking.breakers import Gate
from olo_router.learning.sizes import size_of
from olo_router.selection.ranking import Estimating
from olo_router.selection.request import Request
from olo_router.types import Alias, Load, Model

_IDLE = Load()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """See the module."""

    models: Mapping[str, Model]
    loads: Mapping[str, Load]
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """Of the models whose circuit breaker is not closed."""
    backlogs: Mapping[str, int] = field(default_factory=dict)
    """Requests in the queues of models."""
    estimating: Estimating = lambda _, __: None

    def load(self, model: Model) -> Load:
        """How busy a model is."""
        return self.loads.get(model.model_id, _IDLE)

    def wait(self, model: Model, request: Request) -> float:
        """Seconds until a slot of a model is free for one more request; 0 where one is, or nothing can be told."""
        load = self.load(model)
        if not load.at_capacity or not load.capacity:
            return 0.0
        estimate = self.estimating(model.model_id, size_of(request.prompt_tokens))
        if estimate is None:
            return 0.0
        # Requests on their way are counted by both; the larger number is the newer one.
        ahead = max(load.in_flight - load.capacity, self.backlogs.get(model.model_id, 0))
        return (ahead + 1) * estimate.seconds(request.completion_tokens) / load.capacity
