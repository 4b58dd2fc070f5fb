"""Conditions in the language of Qdrant's engine."""

from __future__ import annotations

import qdrant_edge as edge

from olo_retrieval.adapters.vectors.points import number_key, range_of
from olo_retrieval.filters import All, Any, Compare, Filter, Not, OneOf


def edge_filter(condition: Filter) -> edge.Filter:
    """The filter that a condition becomes."""
    match condition:
        case All(parts):
            return edge.Filter(must=[_condition(part) for part in parts])
        case Any(parts):
            return edge.Filter(should=[_condition(part) for part in parts])
        case Not(part):
            return edge.Filter(must_not=[_condition(part)])
        case leaf:
            return edge.Filter(must=[_condition(leaf)])


def _condition(condition: Filter) -> edge.FieldCondition | edge.Filter:
    match condition:
        case OneOf(key, values):
            return edge.FieldCondition(key, match=edge.MatchAny(list(values)))
        case Compare(key, order, value):
            return edge.FieldCondition(number_key(key), range=edge.RangeFloat(**range_of(order, value)))
        case group:
            return edge_filter(group)
