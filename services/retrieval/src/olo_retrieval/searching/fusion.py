"""Fuses rankings whose scores cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from olo_retrieval.types import Hit

RRF_K: Final = 60
"""How slowly the weight of a rank falls; the value of Cormack, Clarke and Buettcher (2009)."""


def fuse(rankings: Sequence[Sequence[Hit]], k: int = RRF_K) -> list[Hit]:
    """Reciprocal rank fusion: each ranking gives a hit 1 / (k + rank).

    Scores are divided by the greatest that is possible, so that a hit that is first everywhere has 1. Of equals the one
    comes first that an earlier ranking has put higher.
    """
    scores: dict[tuple[str, int, int], float] = {}
    hits: dict[tuple[str, int, int], Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            key = (hit.piece.document_id, hit.piece.version, hit.piece.index)
            scores[key] = scores.get(key, 0.0) + (k + 1) / (k + rank) / len(rankings)
            hits.setdefault(key, hit)
    return [hits[key].ranked(scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
