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


@dataclass(frozen=True, slots=True)
class HybridProbe:
    """What a hybrid search asks a store for: both of its probes, and how much comes back."""

    dense: Vector
    sparse: SparseVector
    limit: int
    """What either search finds at most."""
    most: int
    """The best of both that are given."""
    with_vectors: bool = False
    """Whether every hit has its dense vector."""


class InputSide(StrEnum):
    """On which side of a search a text stands."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that embeds, and the dimension of its vectors."""

    model_id: str
    dimension: int
