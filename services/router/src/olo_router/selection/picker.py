"""The picker: the first models of the order that may answer, those with a free slot first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from olo_router.selection import filters
from olo_router.selection.draws import uniform
from olo_router.selection.ranking import Ranking
from olo_router.selection.request import Reason, Rejection, Request
from olo_router.selection.scorer import AFFINITY, CONVERSATION, REQUESTED, placed
from olo_router.selection.scoring import Component
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Model

_FULL_LOOKED_AT = 64


@dataclass(frozen=True, slots=True)
class Pick:
    """A model in its place. `reason` is None where default flag and priority give it."""

    model: Model
    worth: float
    reason: Reason | None
    components: tuple[Component, ...] = ()


@dataclass(slots=True)
class Picking:
    """What has come of it."""

    picks: list[Pick] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def pick(asked: tuple[Model, ...], snapshot: Snapshot, ranking: Ranking, request: Request) -> Picking:
    """Picks at most as many as the request wants.

    Args:
        asked: The models that the request names, best first; where others may not follow, only these are picked from.
        snapshot: What is known.
        ranking: The ranking for requests of this kind.
        request: What is asked.
    """
    result = Picking()
    free: list[Pick] = []
    full: list[Pick] = []
    wanted, needed = request.max_candidates, max(request.min_context, request.constraints.min_context)
    all_fit = needed <= ranking.smallest_context
    for each in _order(asked, snapshot, ranking, request):
        model = each.model
        if not all_fit and (detail := filters.context(model, needed)) is not None:
            result.rejections.append(Rejection(model.model_id, filters.CONTEXT, detail))
            continue
        if _shut(each, snapshot, result, first=not free):
            continue
        if snapshot.load(model).at_capacity:
            if len(full) < _FULL_LOOKED_AT:
                full.append(each)
        elif len(free) < wanted or _alike(free[0], each, request):
            free.append(each)
        elif all_fit:
            break
    picks = [*_with_affinity(free, request), *_soonest(full, snapshot, request)][:wanted]
    # A full model is not the first choice of anybody but those for whom all are full.
    result.picks = [each for place, each in enumerate(picks) if not _shut(each, snapshot, result, first=place == 0)]
    return result


def _order(asked: tuple[Model, ...], snapshot: Snapshot, ranking: Ranking, request: Request) -> Iterator[Pick]:
    """Everybody in the order of choice: who was asked for, who knows the conversation, then as ranked."""
    leading: set[str] = set()
    for model in asked:
        if model.model_id not in ranking.rejection_of:
            leading.add(model.model_id)
            yield Pick(model, REQUESTED, Reason.REQUESTED, ranking.components.get(model.model_id, ()))
    if asked and not request.allow_fallback:
        return
    sticky = snapshot.models.get(request.sticky_model)
    if sticky is not None and sticky.model_id in ranking.worths and not snapshot.load(sticky).at_capacity:
        leading.add(sticky.model_id)
        yield Pick(sticky, CONVERSATION, Reason.CONVERSATION, ranking.components.get(sticky.model_id, ()))
    reason = None if request.profile is None else Reason.PROFILE
    for model in ranking.ordered:
        if model.model_id not in leading:
            worth = placed(ranking.worths[model.model_id], by_profile=reason is not None)
            yield Pick(model, worth, reason, ranking.components.get(model.model_id, ()))


def _shut(each: Pick, snapshot: Snapshot, result: Picking, *, first: bool) -> bool:
    gate = snapshot.gates.get(each.model.model_id)
    if gate is None or (detail := filters.circuit_breaker(gate, first=first)) is None:
        return False
    result.rejections.append(Rejection(each.model.model_id, filters.CIRCUIT_BREAKER, detail))
    return True


def _alike(best: Pick, other: Pick, request: Request) -> bool:
    """Whether affinity may decide between them."""
    if not request.affinity_key or best.worth >= CONVERSATION:
        return False
    return best.worth - other.worth <= (0.0 if request.profile is None else AFFINITY)


def _with_affinity(free: list[Pick], request: Request) -> list[Pick]:
    """Those that are as good as the first in the order of a draw, so that equal keys meet at the same model.

    Of the drawn there are as many as the request wants.
    """
    alike = [each for each in free if _alike(free[0], each, request)]
    if len(alike) < 2:
        return free
    drawn = [(uniform(request.affinity_key, each.model.model_id), each) for each in alike]
    drawn.sort(key=lambda draw: (-(draw[1].worth + draw[0] * AFFINITY), draw[1].model.model_id))
    return [*(_drawn(value, each) for value, each in drawn[: request.max_candidates]), *free[len(alike) :]]


def _drawn(value: float, each: Pick) -> Pick:
    part = Component("affinity", value, AFFINITY, "for requests that begin like this one")
    return replace(each, worth=each.worth + value * AFFINITY, components=(*each.components, part))


def _soonest(full: list[Pick], snapshot: Snapshot, request: Request) -> list[Pick]:
    """Those in whose queue the request would outlive its deadline come last."""
    if request.deadline is None or len(full) < 2:
        return full
    deadline = request.deadline
    return sorted(full, key=lambda each: snapshot.wait(each.model, request) > deadline)
