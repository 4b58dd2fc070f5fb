"""Texts as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Vector: TypeAlias = Sequence[float]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """The entries of a vector that are not zero. Indices are below 2**32 and differ from each other."""

    indices: Sequence[int]
    values: Sequence[float]


class InputSide(StrEnum):
    """On which side of a search a text stands."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that embeds, and the dimension of its vectors."""

    model_id: str
    dimension: int
