"""Values out of documents that nobody here has written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from olo_registry.benchmarks.facts import Record
from olo_registry.errors import SourceDrifted

_MAX_NAME = 256
_MOST_BAD = 0.5

R = TypeVar("R")


def json_of(document: bytes) -> Any:
    """The document as JSON.

    Raises:
        SourceDrifted: It is none.
    """
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        raise SourceDrifted("it is not JSON") from None


def records_of(rows: Sequence[R], read: Callable[[R], Record | None]) -> tuple[Record, ...]:
    """The records of all rows that can be read; of two of one name the first.

    Raises:
        SourceDrifted: More than half cannot be read, or there is none.
    """
    found: dict[str, Record] = {}
    bad = 0
    for row in rows:
        try:
            record = read(row)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            bad += 1
            continue
        if record is not None:
            found.setdefault(record.name, record)
    if bad > _MOST_BAD * len(rows) or not found:
        raise SourceDrifted(f"{bad} of {len(rows)} rows cannot be read")
    return tuple(found.values())


def name_of(value: Any) -> str:
    """A name. Raises ValueError where it is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME or not value.isprintable():
        raise ValueError("no name")
    return value.strip()


def names_of(values: Iterable[Any]) -> tuple[str, ...]:
    """Those that are names."""
    found = []
    for value in values:
        try:
            found.append(name_of(value))
        except ValueError:
            continue
    return tuple(found)


def number_of(value: Any, low: float, high: float) -> float | None:
    """A number in range, also as text; None where it is none or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and low <= number <= high else None


def count_of(value: Any, high: int) -> int | None:
    """A whole number from 1; None where it is none or out of range."""
    number = number_of(value, 1, high)
    return None if number is None else int(number)
