"""Fuses rankings whose scores cannot be compared."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, TypeVar

from olo_retrieval.types import Hit

K = TypeVar("K", bound=Hashable)

RRF_K: Final = 60
"""How slowly the weight of a rank falls; the value of Cormack, Clarke and Buettcher (2009)."""


def fused_ranks(rankings: Sequence[Sequence[K]], k: int = RRF_K) -> list[tuple[K, float]]:
    """Reciprocal rank fusion of keys, best first with their scores: each ranking gives a key 1 / (k + rank).

    Scores are divided by the greatest that is possible, so that a key that is first everywhere has 1. Of equals the one
    comes first that an earlier ranking has put higher.
    """
    scores: dict[K, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + (k + 1) / (k + rank) / len(rankings)
    return sorted(scores.items(), key=lambda scored: -scored[1])


def fuse(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """The same of hits. One that is in several rankings is taken from the first of them."""
    hits: dict[tuple[str, int, int], Hit] = {}
    keys = []
    for ranking in rankings:
        found = {(hit.piece.document_id, hit.piece.version, hit.piece.index): hit for hit in ranking}
        keys.append(list(found))
        hits = found | hits
    return [hits[key].ranked(score) for key, score in fused_ranks(keys)]
