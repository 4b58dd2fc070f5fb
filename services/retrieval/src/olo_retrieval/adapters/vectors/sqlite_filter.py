"""Conditions in SQL. Values are bound, never spelt into the statement; keys of metadata are bound too."""

from __future__ import annotations

from typing import Final, TypeAlias

from olo_retrieval.adapters.vectors.points import number_key
from olo_retrieval.filters import All, Any, Compare, Filter, Not, OneOf

Bound: TypeAlias = str | int | float
_COLUMNS: Final = {
    **{name: f"points.{name}" for name in ("tenant", "collection", "document_id", "version")},
    "index": "points.position",
}
_NEVER: Final = "0"
_ALWAYS: Final = "1"


def sql_of(condition: Filter) -> tuple[str, list[Bound]]:
    """An expression over the table `points`, true or false and never NULL, and the values it binds."""
    match condition:
        case OneOf(key, values):
            field, bound = _field(key)
            marks = ", ".join("?" * len(values))
            return f"COALESCE({field} IN ({marks}), 0)", [*bound, *values]
        case Compare(key, order, value):
            field, bound = _field(number_key(key))
            return f"COALESCE({field} {order.value} ?, 0)", [*bound, value]
        case All(parts):
            return _joined(parts, " AND ", _ALWAYS)
        case Any(parts):
            return _joined(parts, " OR ", _NEVER)
        case Not(part):
            text, inner = sql_of(part)
            return f"NOT {text}", inner


def _joined(parts: tuple[Filter, ...], word: str, nothing: str) -> tuple[str, list[Bound]]:
    texts, bound = [nothing], list[Bound]()
    for part in parts:
        text, inner = sql_of(part)
        texts.append(text)
        bound += inner
    return "(" + word.join(texts[1:] or texts) + ")", bound


def _field(key: str) -> tuple[str, list[Bound]]:
    if key in _COLUMNS:
        return _COLUMNS[key], []
    group, _, name = key.partition(".")
    return "json_extract(points.payload, ?)", [f'$.{group}."{name}"']
