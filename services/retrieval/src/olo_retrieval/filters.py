"""Conditions on points, told apart from the language of any store. Pure.

A key is the name of a field of a point, or `metadata.<key>` for metadata of the document. Metadata are texts; an order
compares those that are spelt as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TypeAlias

METADATA = "metadata."


class Order(StrEnum):
    """How a number compares with another."""

    EQUAL = "=="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field is one of these values."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The field is a number, and compares like this."""

    key: str
    order: Order
    value: float


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; no part at all holds too."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold, be it because the field is missing."""

    part: Filter


Filter: TypeAlias = OneOf | Compare | All | Any | Not


def numbers_of(metadata: Mapping[str, str]) -> dict[str, float]:
    """The metadata that are spelt as finite numbers."""
    numbers = {}
    for key, text in metadata.items():
        try:
            number = float(text)
        except ValueError:
            continue
        if isfinite(number):
            numbers[key] = number
    return numbers


def holds(condition: Filter, point: Mapping[str, str | int]) -> bool:
    """Whether a point, as its fields by key, meets the condition: what every store must agree with."""
    match condition:
        case OneOf(key, values):
            return point.get(key) in values
        case Compare(key, order, value):
            number = numbers_of({key: str(point.get(key, ""))}).get(key)
            return number is not None and _compares(number, order, value)
        case All(parts):
            return all(holds(part, point) for part in parts)
        case Any(parts):
            return any(holds(part, point) for part in parts)
        case Not(part):
            return not holds(part, point)


def _compares(number: float, order: Order, value: float) -> bool:
    match order:
        case Order.EQUAL:
            return number == value
        case Order.BELOW:
            return number < value
        case Order.AT_MOST:
            return number <= value
        case Order.ABOVE:
            return number > value
        case Order.AT_LEAST:
            return number >= value
