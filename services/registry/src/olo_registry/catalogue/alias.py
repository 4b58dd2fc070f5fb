"""Names that stand for models."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ALIASES = 1000
MAX_TARGETS = 16
MAX_WEIGHT = 1000
MAX_PERCENT = 100


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One model that a name stands for."""

    model_id: str
    weight: int
    """1 to `MAX_WEIGHT`; the share of requests is the weight over the sum of the weights."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A model to which a share of the requests for a name is mirrored; it answers nobody."""

    model_id: str
    percent: int
    """0 to `MAX_PERCENT`; 0: none for now."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that stands for one model, or for several with weights. It wins over a model of the same id."""

    name: str
    targets: tuple[Target, ...]
    shadow: Shadow | None = None
