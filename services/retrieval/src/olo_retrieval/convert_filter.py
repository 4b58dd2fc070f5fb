"""Filters of requests, checked: what comes out can be handed to any store."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_retrieval.errors import FilterInvalid
from olo_retrieval.filters import METADATA, All, Any, Compare, Filter, Not, OneOf, Order

MOST_COMPARISONS: Final = 64
MOST_VALUES: Final = 64
_DEEPEST: Final = 4
_LONGEST_VALUE: Final = 1_024
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_ORDERS: Final = {
    pb.FILTER_OPERATOR_LESS: Order.BELOW,
    pb.FILTER_OPERATOR_LESS_OR_EQUAL: Order.AT_MOST,
    pb.FILTER_OPERATOR_GREATER: Order.ABOVE,
    pb.FILTER_OPERATOR_GREATER_OR_EQUAL: Order.AT_LEAST,
}
_MEMBERSHIPS: Final = {pb.FILTER_OPERATOR_IN: True, pb.FILTER_OPERATOR_NOT_IN: False}


def filter_of(message: pb.Filter) -> Filter:
    """The filter of a request, over the metadata of documents.

    Raises:
        FilterInvalid: It says nothing, is too large or too deep, or a part of it is not allowed.
    """
    left = MOST_COMPARISONS

    def spend() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise FilterInvalid(f"more than {MOST_COMPARISONS} comparisons")

    return _filter(message, "filter", 1, spend)


def _filter(message: pb.Filter, field: str, depth: int, spend: Callable[[], None]) -> Filter:
    if depth > _DEEPEST:
        raise FilterInvalid(f"more than {_DEEPEST} levels", field)
    kind = message.WhichOneof("kind")
    if kind == "comparison":
        spend()
        return _comparison(message.comparison, f"{field}.comparison")
    if kind not in ("all", "any"):
        raise FilterInvalid("needs comparison, all or any", field)
    group: pb.FilterGroup = getattr(message, kind)
    if not group.filters:
        raise FilterInvalid("is empty", f"{field}.{kind}")
    parts = tuple(
        _filter(part, f"{field}.{kind}[{index}]", depth + 1, spend) for index, part in enumerate(group.filters)
    )
    return All(parts) if kind == "all" else Any(parts)


def _comparison(message: pb.FilterComparison, field: str) -> Filter:
    if not _KEY.fullmatch(message.key):
        raise FilterInvalid("1 to 64 letters, digits, _ and - are allowed", f"{field}.key")
    key, values = METADATA + message.key, tuple(message.values)
    if any(len(value) > _LONGEST_VALUE or "\0" in value for value in values):
        raise FilterInvalid(f"a value has more than {_LONGEST_VALUE} characters, or NUL", f"{field}.values")
    if message.operator in _MEMBERSHIPS:
        if not 1 <= len(values) <= MOST_VALUES:
            raise FilterInvalid(f"1 to {MOST_VALUES} are allowed", f"{field}.values")
        part = OneOf(key, values)
        return part if _MEMBERSHIPS[message.operator] else Not(part)
    if message.operator not in _ORDERS:
        raise FilterInvalid("is not known", f"{field}.operator")
    if len(values) != 1:
        raise FilterInvalid("an order compares with exactly one", f"{field}.values")
    return Compare(key, _ORDERS[message.operator], _number(values[0], f"{field}.values"))


def _number(text: str, field: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FilterInvalid("must be a number", field)
    return number
