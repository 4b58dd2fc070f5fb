"""The order: the model asked for, the default, the highest priority, then the rest; full models after free ones.

A profile puts its score in the place of default flag and priority.
"""

from __future__ import annotations

from olo_common.errors import OloError
from olo_router.errors import ConstraintsUnmet, ContextTooLong, ModelUnavailable, NoModelAvailable
from olo_router.selection import constraints, filters
from olo_router.selection.explanation import explain
from olo_router.selection.names import named
from olo_router.selection.picker import Pick, Picking, pick
from olo_router.selection.ranking import Ranking
from olo_router.selection.request import Candidate, Reason, Rejection, Request, Selection
from olo_router.selection.scorer import score
from olo_router.selection.shadows import shadow_of
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Model


def select(snapshot: Snapshot, ranking: Ranking, request: Request) -> Selection:
    """Decides.

    Args:
        snapshot: What is known.
        ranking: The ranking of that catalogue for requests of this kind.
        request: What is asked.

    Raises:
        ModelNotFound: The model that was asked for is not in the catalogue.
        InvalidField: The model that was asked for does something else.
        ModelUnavailable: It cannot answer now, and no other may.
        ContextTooLong: Neither it, nor any other that may, can hold so many tokens.
        ConstraintsUnmet: Neither it, nor any other that may, offers what is wanted.
        NoModelAvailable: No model can answer now.
    """
    asked, alias = named(snapshot, ranking, request)
    picking = pick(asked, snapshot, ranking, request)
    if not picking.picks:
        if asked and not request.allow_fallback:
            raise _why_not(asked[0], snapshot, ranking, request)
        raise _why_none(snapshot, ranking, picking, request)
    absent = ""
    if asked and picking.picks[0].reason is not Reason.REQUESTED and not _can_answer(asked[0], ranking, picking):
        absent = asked[0].model_id
    candidates: list[Candidate] = []
    by_priority = Reason.PRIORITY
    for each in picking.picks:
        reason = each.reason or (Reason.DEFAULT if each.model.default_flag else by_priority)
        if reason is Reason.PRIORITY:
            by_priority = Reason.AVAILABLE
        candidates.append(_candidate(each, reason, snapshot, request, first=not candidates, stands_in_for=absent))
    named_alias = snapshot.aliases.get(alias)
    first = candidates[0].model
    shadow = shadow_of(named_alias, first, snapshot, ranking, request) if named_alias is not None else None
    return Selection(tuple(candidates), ranking.rejections + tuple(picking.rejections), alias, shadow)


def _candidate(
    each: Pick, reason: Reason, snapshot: Snapshot, request: Request, *, first: bool, stands_in_for: str
) -> Candidate:
    load = snapshot.load(each.model)
    profile = "" if request.profile is None else request.profile.name
    wait = snapshot.wait(each.model, request)
    words = explain(each.model, load, reason, first=first, stands_in_for=stands_in_for, profile=profile, wait=wait)
    worth = score(each.worth, at_capacity=load.at_capacity)
    return Candidate(each.model, load, worth, reason, words, each.components, wait)


def _can_answer(model: Model, ranking: Ranking, picking: Picking) -> bool:
    rejected = {rejection.model_id for rejection in picking.rejections}
    return model.model_id not in ranking.rejection_of and model.model_id not in rejected


def _needed(request: Request) -> int:
    return max(request.min_context, request.constraints.min_context)


def _why_not(model: Model, snapshot: Snapshot, ranking: Ranking, request: Request) -> OloError:
    """Why the model that was asked for, and no other, cannot answer."""
    if model.context_limit < _needed(request):
        return ContextTooLong(_needed(request), model.context_limit)
    rejection = ranking.rejection_of.get(model.model_id)
    if rejection is not None and _is_constraint(rejection):
        return ConstraintsUnmet(rejection.filter, f"{model.model_id}: {rejection.detail}")
    if rejection is not None:
        return ModelUnavailable(model.model_id, rejection.detail)
    gate = snapshot.gates.get(model.model_id)
    detail = filters.circuit_breaker(gate, first=True) if gate is not None else None
    return ModelUnavailable(model.model_id, detail or "it cannot answer", gate.open_for if gate is not None else 0.0)


def _why_none(snapshot: Snapshot, ranking: Ranking, picking: Picking, request: Request) -> OloError:
    if _needed(request) > ranking.largest_context > 0:
        return ContextTooLong(_needed(request), ranking.largest_context)
    broken = [rejection for rejection in picking.rejections if rejection.filter == filters.CIRCUIT_BREAKER]
    if broken:
        pause = min(snapshot.gates[rejection.model_id].open_for for rejection in broken)
        return NoModelAvailable(f"{broken[0].model_id}: {broken[0].detail}", pause)
    if ranking.ordered:
        return NoModelAvailable("those that can hold the request are away")
    # The most telling reason is that of a model which would answer otherwise.
    for telling in (filters.LIVE_INSTANCE, constraints.PREFIX, filters.ENABLED):
        for rejection in ranking.rejections:
            if rejection.filter.startswith(telling):
                why = f"{rejection.model_id}: {rejection.detail}"
                return ConstraintsUnmet(rejection.filter, why) if _is_constraint(rejection) else NoModelAvailable(why)
    return NoModelAvailable("none of this type is in the catalogue")


def _is_constraint(rejection: Rejection) -> bool:
    return rejection.filter.startswith(constraints.PREFIX)
