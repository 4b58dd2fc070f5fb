"""Attributes of files and conditions on them, as documents and searches of retrieval know them.

Metadata of documents are texts. Which attributes were numbers or truths is noted beside them, so that they come back
as what they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField

Attribute: TypeAlias = str | float | bool
MOST: Final = 16
_TYPES: Final = "olo_types"
_ORDERS: Final = {
    "lt": pb.FILTER_OPERATOR_LESS,
    "lte": pb.FILTER_OPERATOR_LESS_OR_EQUAL,
    "gt": pb.FILTER_OPERATOR_GREATER,
    "gte": pb.FILTER_OPERATOR_GREATER_OR_EQUAL,
}
_SETS: Final = {
    "eq": pb.FILTER_OPERATOR_IN,
    "in": pb.FILTER_OPERATOR_IN,
    "ne": pb.FILTER_OPERATOR_NOT_IN,
    "nin": pb.FILTER_OPERATOR_NOT_IN,
}
_DEEPEST: Final = 8


def metadata_of(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    """Attributes as metadata of a document.

    Raises:
        InvalidField: They are too many, or too long.
    """
    if len(attributes) > MOST:
        raise InvalidField("attributes", f"at most {MOST} entries are allowed")
    if any(not 1 <= len(key) <= 64 or len(_text(value)) > 512 for key, value in attributes.items()):
        raise InvalidField("attributes", "keys may have 1 to 64 characters, values at most 512")
    if _TYPES in attributes:
        raise InvalidField("attributes", f"the key {_TYPES} is taken")
    types = {key: "b" if isinstance(value, bool) else "n" for key, value in attributes.items() if _typed(value)}
    metadata = {key: _text(value) for key, value in attributes.items()}
    return metadata | ({_TYPES: json.dumps(types)} if types else {})


def attributes_of(metadata: Mapping[str, str]) -> dict[str, Attribute]:
    """Metadata of a document as attributes."""
    try:
        types = json.loads(metadata.get(_TYPES, "{}"))
    except ValueError:
        types = {}
    return {key: _value(value, types.get(key)) for key, value in metadata.items() if key != _TYPES}


def filter_of(given: Any, field: str = "filters", depth: int = 0) -> pb.Filter:
    """A condition of the dialect: a comparison, or an `and` or `or` of conditions.

    Raises:
        InvalidField: Naming the place that is wrong.
    """
    if not isinstance(given, Mapping) or depth > _DEEPEST:
        raise InvalidField(field, "must be a comparison, or an and or or of some")
    kind = given.get("type")
    if not isinstance(kind, str):
        raise InvalidField(f"{field}.type", "must be a text")
    if kind in ("and", "or"):
        parts = given.get("filters")
        if not isinstance(parts, list) or not parts:
            raise InvalidField(f"{field}.filters", "at least one is needed")
        inner = [filter_of(part, f"{field}.filters[{n}]", depth + 1) for n, part in enumerate(parts)]
        group = pb.FilterGroup(filters=inner)
        return pb.Filter(all=group) if kind == "and" else pb.Filter(any=group)
    key, value = given.get("key"), given.get("value")
    if not isinstance(key, str):
        raise InvalidField(f"{field}.key", "must be a text")
    if kind in _ORDERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidField(f"{field}.value", "must be a number")
        comparison = pb.FilterComparison(key=key, operator=_ORDERS[kind], values=[_text(value)])
    elif kind in _SETS:
        values = value if kind in ("in", "nin") else [value]
        if not isinstance(values, list) or not all(isinstance(each, str | int | float | bool) for each in values):
            raise InvalidField(f"{field}.value", "must be a text, a number or a truth; with in and nin, a list of them")
        comparison = pb.FilterComparison(key=key, operator=_SETS[kind], values=[_text(each) for each in values])
    else:
        raise InvalidField(f"{field}.type", "must be eq, ne, gt, gte, lt, lte, in, nin, and or or")
    return pb.Filter(comparison=comparison)


def _typed(value: Attribute) -> bool:
    return not isinstance(value, str)


def _text(value: Attribute) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # 3 and 3.0 are one number: clients send the one and filter by the other.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _value(text: str, kind: str | None) -> Attribute:
    try:
        return text == "true" if kind == "b" else float(text) if kind == "n" else text
    except ValueError:
        return text
