"""Filters: each gives the reason why a model may not answer, or None.

Those of `STANDING` do not depend on the size of the request, so that a ranking asks them once for many requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from olo_router.types import Load, Model, ModelType

StandingFilter = Callable[[Model, Load, ModelType], str | None]

CONTEXT: Final = "context"


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
    return "every live instance is draining" if load.draining else "no live instance serves it"


STANDING: Final[tuple[tuple[str, StandingFilter], ...]] = (
    ("model_type", model_type),
    ("enabled", enabled),
    ("live_instance", live_instance),
)


def context(model: Model, min_context: int) -> str | None:
    """Its context is too small for the request."""
    if model.context_limit >= min_context:
        return None
    return f"its context of {model.context_limit} tokens is smaller than the {min_context} needed"


def _a(kind: ModelType) -> str:
    return "an embedding" if kind is ModelType.EMBEDDING else "a text"
