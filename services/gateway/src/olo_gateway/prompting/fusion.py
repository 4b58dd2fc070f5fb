"""Fuses the rankings of several queries."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, TypeVar

RRF_K: Final = 60
"""How slowly the weight of a rank falls; the value of Cormack, Clarke and Buettcher (2009)."""

K = TypeVar("K", bound=Hashable)


def fused(rankings: Sequence[Sequence[K]], k: int = RRF_K) -> list[K]:
    """Reciprocal rank fusion: each ranking gives what it holds 1 / (k + rank).

    Of equals the one comes first that an earlier ranking has put higher.
    """
    scores: dict[K, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(ranking), 1):
            scores[key] = scores.get(key, 0.0) + 1 / (k + rank)
    return sorted(scores, key=lambda key: -scores[key])
