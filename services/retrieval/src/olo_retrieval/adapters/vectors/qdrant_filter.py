"""Conditions in the language of Qdrant."""

from __future__ import annotations

from olo_retrieval.adapters.vectors.points import number_key, range_of
from olo_retrieval.adapters.vectors.qdrant_library import models
from olo_retrieval.filters import All, Any, Compare, Filter, Not, OneOf


def qdrant_filter(condition: Filter) -> models.Filter:
    """The filter that a condition becomes."""
    match condition:
        case All(parts):
            return models.Filter(must=[_condition(part) for part in parts])
        case Any(parts):
            return models.Filter(should=[_condition(part) for part in parts])
        case Not(part):
            return models.Filter(must_not=[_condition(part)])
        case leaf:
            return models.Filter(must=[_condition(leaf)])


def _condition(condition: Filter) -> models.Condition:
    match condition:
        case OneOf(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        case Compare(key, order, value):
            limits = models.Range(**range_of(order, value))
            return models.FieldCondition(key=number_key(key), range=limits)
        case group:
            return qdrant_filter(group)
