"""Chooses passages that differ from each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olo_retrieval.types import Hit


def diversified(hits: Sequence[Hit], count: int, weight: float) -> list[Hit]:
    """Maximal marginal relevance (Carbonell and Goldstein, 1998), with cosines on both sides.

    Args:
        hits: With their vectors, to unit length.
        count: How many are chosen.
        weight: Lambda, 0 to 1: 1 looks at relevance alone, 0 at what is new alone.
    """
    if not hits:
        return []
    vectors = np.asarray([hit.vector for hit in hits], np.float32)
    relevance = np.asarray([hit.similarity for hit in hits], np.float32)
    likeness = np.full(len(hits), -1.0, np.float32)
    left = np.ones(len(hits), bool)
    chosen: list[Hit] = []
    while len(chosen) < min(count, len(hits)):
        # Nothing is chosen yet: the most relevant one begins, whatever the weight.
        marginal = weight * relevance - (1 - weight) * likeness if chosen else relevance
        best = int(np.argmax(np.where(left, marginal, -np.inf)))
        left[best] = False
        chosen.append(hits[best])
        likeness = np.maximum(likeness, vectors @ vectors[best])
    return chosen
