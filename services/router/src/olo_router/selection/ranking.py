"""A ranking: everything about the choice among models of one type that does not depend on the single request.

Built anew when policy changes or the first or last instance of a model comes or goes; not with each heartbeat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from olo_router.selection.filters import STANDING
from olo_router.selection.request import Rejection
from olo_router.types import Load, Model, ModelType

_IDLE = Load()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models of a catalogue, seen by requests for one type."""

    ordered: tuple[Model, ...]
    """Those that passed the standing filters: default first, then by priority, then by id."""
    rejections: tuple[Rejection, ...]
    """Those that did not, in the order of ids."""
    rejection_of: Mapping[str, Rejection]
    """The same by id."""
    smallest_context: int
    """Smallest context limit among `ordered`; 0 where there is none."""
    largest_context: int
    """Largest context limit of the enabled models of this type, whether or not they can answer now."""


def rank(models: Collection[Model], loads: Mapping[str, Load], wanted: ModelType) -> Ranking:
    """The ranking for requests that want this type."""
    passed: list[Model] = []
    rejections: list[Rejection] = []
    for model in sorted(models, key=lambda each: each.model_id):
        rejection = _standing_rejection(model, loads.get(model.model_id, _IDLE), wanted)
        if rejection is None:
            passed.append(model)
        else:
            rejections.append(rejection)
    passed.sort(key=lambda model: (not model.default_flag, -model.priority))
    return Ranking(
        ordered=tuple(passed),
        rejections=tuple(rejections),
        rejection_of={rejection.model_id: rejection for rejection in rejections},
        smallest_context=min((model.context_limit for model in passed), default=0),
        largest_context=max(
            (model.context_limit for model in models if model.enabled and model.model_type is wanted), default=0
        ),
    )


def _standing_rejection(model: Model, load: Load, wanted: ModelType) -> Rejection | None:
    for name, reject in STANDING:
        if (detail := reject(model, load, wanted)) is not None:
            return Rejection(model.model_id, name, detail)
    return None
