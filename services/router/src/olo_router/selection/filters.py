"""Filters: each gives the reason why a model may not answer, or None.

Those of `STANDING` do not depend on the size of the request, so that a ranking asks them once for many requests. That
a live instance serves a model is asked last: who fails by that alone would answer a little later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from olo_router.breaking.breakers import Gate
from olo_router.types import Load, Model, ModelType

StandingFilter = Callable[[Model, Load, ModelType], str | None]

CONTEXT: Final = "context"
ENABLED: Final = "enabled"
LIVE_INSTANCE: Final = "live_instance"
CIRCUIT_BREAKER: Final = "circuit_breaker"


def model_type(model: Model, load: Load, wanted: ModelType) -> str | None:
    """The model does something else."""
    return None if model.model_type is wanted else f"it is {_a(model.model_type)} model"


def enabled(model: Model, load: Load, wanted: ModelType) -> str | None:
    """The operator has disabled it."""
    return None if model.enabled else "the operator has disabled it"


def live_instance(model: Model, load: Load, wanted: ModelType) -> str | None:
    """Nothing that lives serves it and takes work."""
    if load.ready:
        return None
    if load.held:
        return "every live instance is quarantined or has an open circuit breaker"
    return "every live instance is draining" if load.draining else "no live instance serves it"


STANDING: Final[tuple[tuple[str, StandingFilter], ...]] = (
    ("model_type", model_type),
    (ENABLED, enabled),
)


def context(model: Model, min_context: int) -> str | None:
    """Its context is too small for the request."""
    if model.context_limit >= min_context:
        return None
    return f"its context of {model.context_limit} tokens is smaller than the {min_context} needed"


def circuit_breaker(gate: Gate, *, first: bool) -> str | None:
    """It has failed too often, and is not tried by this request."""
    if gate.probe and first:
        return None
    if gate.open_for > 0:
        return f"its circuit breaker is open for another {gate.open_for:.0f} s"
    return "its circuit breaker is half open: one request at a time tries it, and only as its first choice"


def _a(kind: ModelType) -> str:
    return "an embedding" if kind is ModelType.EMBEDDING else "a text"
