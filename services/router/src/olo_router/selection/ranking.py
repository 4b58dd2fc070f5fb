"""A ranking: everything about the choice among models of one type that does not depend on the single request.

Built anew when policy changes, the first or last instance of a model comes or goes, or, where it goes by a profile,
something was learned; not with each heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from olo_router.learning.learner import Estimate
from olo_router.learning.sizes import PromptSize
from olo_router.selection import constraints, filters
from olo_router.selection.constraints import NONE, Constraints
from olo_router.selection.profiles import Profile
from olo_router.selection.request import DEFAULT_COMPLETION_TOKENS, Rejection
from olo_router.selection.scorer import merit
from olo_router.selection.scoring import Component, Facts, components_of, facts_of, total
from olo_router.types import Load, Model, ModelType

_IDLE = Load()

Estimating = Callable[[str, PromptSize], Estimate | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What requests that share a ranking have in common."""

    model_type: ModelType
    profile: Profile | None = None
    constraints: Constraints = NONE
    tenant: str = ""
    size: PromptSize = PromptSize.SHORT
    completion_tokens: int = DEFAULT_COMPLETION_TOKENS

    @property
    def learns(self) -> bool:
        """Whether what was measured has a say."""
        return self.profile is not None or self.constraints.max_seconds is not None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models of a catalogue, seen by requests of one kind."""

    ordered: tuple[Model, ...]
    """Those that passed the standing filters, best first."""
    rejections: tuple[Rejection, ...]
    """Those that did not, in the order of ids."""
    rejection_of: Mapping[str, Rejection]
    """The same by id."""
    smallest_context: int
    """Smallest context limit among `ordered`; 0 where there is none."""
    largest_context: int
    """Largest context limit of the enabled models of this type, whether or not they can answer now."""
    worths: Mapping[str, float]
    """0 to 1, falling along `ordered`."""
    hidden: frozenset[str] = frozenset()
    """Models that do not exist for this tenant."""
    components: Mapping[str, tuple[Component, ...]] = field(default_factory=dict)
    """Of the scores under a profile."""


def rank(models: Collection[Model], loads: Mapping[str, Load], kind: Kind, estimating: Estimating) -> Ranking:
    """The ranking for requests of this kind."""
    passed: list[Model] = []
    rejections: list[Rejection] = []
    components: dict[str, tuple[Component, ...]] = {}
    worths: dict[str, float] = {}
    visible = [each for each in models if not each.allowed_tenants or kind.tenant in each.allowed_tenants]
    for model in sorted(visible, key=lambda each: each.model_id):
        estimate = estimating(model.model_id, kind.size) if kind.learns else None
        facts = facts_of(model, estimate, kind.completion_tokens)
        rejection = _standing_rejection(model, loads.get(model.model_id, _IDLE), kind, facts)
        if rejection is not None:
            rejections.append(rejection)
            continue
        passed.append(model)
        if kind.profile is None:
            worths[model.model_id] = merit(model)
        else:
            components[model.model_id] = parts = components_of(model, facts, kind.profile)
            worths[model.model_id] = total(parts)
    # A model of priority 0 that is the default has more merit than any other; between equals the id decides.
    passed.sort(key=lambda model: -worths[model.model_id])
    return Ranking(
        ordered=tuple(passed),
        rejections=tuple(rejections),
        rejection_of={rejection.model_id: rejection for rejection in rejections},
        smallest_context=min((model.context_limit for model in passed), default=0),
        largest_context=max(
            (model.context_limit for model in visible if model.enabled and model.model_type is kind.model_type),
            default=0,
        ),
        worths=worths,
        hidden=frozenset(model.model_id for model in models) - {model.model_id for model in visible},
        components=components,
    )


def _standing_rejection(model: Model, load: Load, kind: Kind, facts: Facts) -> Rejection | None:
    for name, reject in filters.STANDING:
        if (detail := reject(model, load, kind.model_type)) is not None:
            return Rejection(model.model_id, name, detail)
    if kind.constraints is not NONE and (missed := constraints.unmet(model, facts, kind.constraints)) is not None:
        return Rejection(model.model_id, constraints.PREFIX + missed[0], missed[1])
    if (detail := filters.live_instance(model, load, kind.model_type)) is not None:
        return Rejection(model.model_id, filters.LIVE_INSTANCE, detail)
    return None
