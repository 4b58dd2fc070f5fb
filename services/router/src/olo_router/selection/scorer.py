"""The scorer: a number that falls along the order, so that callers can compare candidates."""

from __future__ import annotations

from typing import Final

from olo_router.types import Model

_REQUESTED: Final = 1.0
_DEFAULT: Final = 0.9
_BY_PRIORITY: Final = 0.8
_MAX_PRIORITY: Final = 1000


def merit(model: Model, requested: bool) -> float:
    """0 to 1: asked for by name, then the default, then by priority."""
    if requested:
        return _REQUESTED
    if model.default_flag:
        return _DEFAULT
    return _BY_PRIORITY * min(max(model.priority, 0), _MAX_PRIORITY) / _MAX_PRIORITY


def score(model: Model, *, requested: bool, at_capacity: bool) -> float:
    """0 to 1: whatever has a free slot is above 0.5, whatever is at capacity is not."""
    worth = merit(model, requested)
    return 0.5 * worth if at_capacity else 0.55 + 0.45 * worth
