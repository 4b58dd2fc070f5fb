"""Which requests for an alias are mirrored to its shadow.

A shadow gets what is left over, and nothing that constraints or tenants would have kept from it as a candidate.
"""

from __future__ import annotations

from olo_router.selection import filters
from olo_router.selection.draws import uniform
from olo_router.selection.ranking import Ranking
from olo_router.selection.request import Request, Shadow
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Alias, Model, ModelType


def shadow_of(alias: Alias, chosen: Model, snapshot: Snapshot, ranking: Ranking, request: Request) -> Shadow | None:
    """The shadow that this request was drawn for; None where it was not.

    The same request id draws the same on every router, apart from the draw of the alias's target.

    Args:
        alias: The name that was asked for.
        chosen: The first candidate.
        snapshot: What is known.
        ranking: The ranking for requests of this kind.
        request: What is asked.
    """
    if alias.shadow is None or request.model_type is not ModelType.LLM:
        return None
    model_id, percent = alias.shadow
    if uniform("shadow", alias.name, request.request_id) * 100 >= percent:
        return None
    model = snapshot.models.get(model_id)
    # A model that this tenant may not see is not named to it either.
    if model is None or model_id in ranking.hidden:
        return None
    skipped = _why_not(model, chosen, snapshot, ranking, request)
    return Shadow(model_id, skipped=skipped) if skipped else Shadow(model_id, model.task_queue)


def _why_not(model: Model, chosen: Model, snapshot: Snapshot, ranking: Ranking, request: Request) -> str:
    if model.model_id == chosen.model_id:
        return "it is the first choice itself"
    if (rejection := ranking.rejection_of.get(model.model_id)) is not None:
        return rejection.detail
    if (detail := filters.context(model, request.min_context)) is not None:
        return detail
    if (gate := snapshot.gates.get(model.model_id)) is not None:
        return filters.circuit_breaker(gate, first=False) or ""
    return "it has no free slot" if snapshot.load(model).at_capacity else ""
