"""The place of a candidate as a number that falls along the order, so that callers can compare candidates."""

from __future__ import annotations

from typing import Final

from olo_router.types import Model

REQUESTED: Final = 1.0
CONVERSATION: Final = 0.96
_DEFAULT: Final = 0.9
_HIGHEST: Final = 0.8
_MAX_PRIORITY: Final = 1000
AFFINITY: Final = 0.05
"""The most that affinity adds, and how far models may differ to be taken for alike under a profile."""


def merit(model: Model) -> float:
    """0 to 0.9, for the order without a profile: the default, then by priority."""
    if model.default_flag:
        return _DEFAULT
    return _HIGHEST * min(max(model.priority, 0), _MAX_PRIORITY) / _MAX_PRIORITY


def placed(worth: float, *, by_profile: bool) -> float:
    """The worth of a model that was neither named nor belongs to the conversation, below those that were."""
    return worth * 0.9 if by_profile else worth


def score(worth: float, *, at_capacity: bool) -> float:
    """0 to 1: whatever has a free slot is above 0.5, whatever is at capacity is not."""
    return 0.5 * worth if at_capacity else 0.55 + 0.45 * worth
