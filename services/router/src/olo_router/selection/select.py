"""The order: the model asked for, the default, the highest priority, then the rest; full models after free ones."""

from __future__ import annotations

from collections.abc import Mapping

from olo_common.errors import InvalidField
from olo_contracts.identifiers import AUTO_MODEL
from olo_router.errors import ContextTooLong, ModelNotFound, ModelUnavailable, NoModelAvailable
from olo_router.selection import filters
from olo_router.selection.explanation import explain
from olo_router.selection.ranking import Ranking
from olo_router.selection.request import Candidate, Reason, Rejection, Request, Selection
from olo_router.selection.scorer import score
from olo_router.types import Load, Model

_LATEST = ":latest"


def select(models: Mapping[str, Model], ranking: Ranking, loads: Mapping[str, Load], request: Request) -> Selection:
    """Decides.

    Args:
        models: The whole catalogue, by id.
        ranking: The ranking of that catalogue for the type that is asked for.
        loads: How busy each ranked model is.
        request: What is asked.

    Raises:
        ModelNotFound: The model that was asked for is not in the catalogue.
        InvalidField: The model that was asked for does something else.
        ModelUnavailable: It cannot answer now, and no other may.
        ContextTooLong: Neither it, nor any other that may, can hold so many tokens.
        NoModelAvailable: No model can answer now.
    """
    named = _named(models, request)
    if named is not None and not request.allow_fallback:
        return _only(named, ranking, loads, request)
    picked, too_small = _pick(named, ranking, loads, request)
    if not picked:
        if request.min_context > ranking.largest_context > 0:
            raise ContextTooLong(request.min_context, ranking.largest_context)
        raise NoModelAvailable(_why_none(ranking))
    absent = named.model_id if named is not None and not _can_answer(named, ranking, request) else ""
    candidates = tuple(
        _candidate(model, loads[model.model_id], reason, first=model is picked[0], stands_in_for=absent)
        for model, reason in _with_reasons(picked, named)
    )
    return Selection(candidates, ranking.rejections + tuple(too_small))


def _named(models: Mapping[str, Model], request: Request) -> Model | None:
    name = request.model
    if name in ("", AUTO_MODEL):
        return None
    # Ollama's clients write `name:latest` for `name`.
    model = models.get(name) or models.get(name.removesuffix(_LATEST))
    if model is None:
        raise ModelNotFound(name)
    if model.model_type is not request.model_type:
        raise InvalidField("model", f"{model.model_id} is not a model for {request.model_type.value}")
    return model


def _only(named: Model, ranking: Ranking, loads: Mapping[str, Load], request: Request) -> Selection:
    if named.context_limit < request.min_context:
        raise ContextTooLong(request.min_context, named.context_limit)
    if (rejection := ranking.rejection_of.get(named.model_id)) is not None:
        raise ModelUnavailable(named.model_id, rejection.detail)
    candidate = _candidate(named, loads[named.model_id], Reason.REQUESTED)
    return Selection((candidate,), ranking.rejections)


def _pick(
    named: Model | None, ranking: Ranking, loads: Mapping[str, Load], request: Request
) -> tuple[list[Model], list[Rejection]]:
    """The first models of the order, those with a free slot before those without, and those that are too small."""
    free: list[Model] = []
    full: list[Model] = []
    too_small: list[Rejection] = []
    wanted, needed = request.max_candidates, request.min_context
    all_fit = needed <= ranking.smallest_context
    ordered = ranking.ordered
    if named is not None and named.model_id not in ranking.rejection_of:
        ordered = (named, *(model for model in ordered if model.model_id != named.model_id))
    for model in ordered:
        if not all_fit and (detail := filters.context(model, needed)) is not None:
            too_small.append(Rejection(model.model_id, filters.CONTEXT, detail))
        elif loads[model.model_id].at_capacity:
            if len(full) < wanted:
                full.append(model)
        elif len(free) < wanted:
            free.append(model)
            if all_fit and len(free) == wanted:
                break
    return [*free, *full][:wanted], too_small


def _with_reasons(picked: list[Model], named: Model | None) -> list[tuple[Model, Reason]]:
    reasoned: list[tuple[Model, Reason]] = []
    by_priority = Reason.PRIORITY
    for model in picked:
        if named is not None and model.model_id == named.model_id:
            reasoned.append((model, Reason.REQUESTED))
        elif model.default_flag:
            reasoned.append((model, Reason.DEFAULT))
        else:
            reasoned.append((model, by_priority))
            by_priority = Reason.AVAILABLE
    return reasoned


def _candidate(model: Model, load: Load, reason: Reason, *, first: bool = True, stands_in_for: str = "") -> Candidate:
    worth = score(model, requested=reason is Reason.REQUESTED, at_capacity=load.at_capacity)
    words = explain(model, load, reason, first=first, stands_in_for=stands_in_for)
    return Candidate(model, load, worth, reason, words)


def _can_answer(named: Model, ranking: Ranking, request: Request) -> bool:
    return named.model_id not in ranking.rejection_of and named.context_limit >= request.min_context


def _why_none(ranking: Ranking) -> str:
    if ranking.ordered:
        return "those that can hold the request are away"
    # The most telling reason is that of a model which would answer otherwise.
    for name in ("live_instance", "enabled"):
        for rejection in ranking.rejections:
            if rejection.filter == name:
                return f"{rejection.model_id}: {rejection.detail}"
    return "none of this type is in the catalogue"
