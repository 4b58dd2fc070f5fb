"""The weights of the terms of a sparse probe, for Qdrant's engine.

The engine counts anew, in every search, which points of the corpus have each term; among 20,000 points that takes
several times as long as the search itself. It does not tell its counts, but a search for one term shows the weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import qdrant_edge as edge

from olo_retrieval.adapters.vectors.points import SPARSE
from olo_retrieval.adapters.vectors.rarity import Corpus, Rarity
from olo_retrieval.types import SparseVector

_WEIGHT_IN_NOTHING: Final = math.log(2.0)
"""What the engine takes a term by in a corpus without points: ln((0 - 0 + 0.5) / (0 + 0.5) + 1)."""


class EdgeTerms:
    """Weighs the terms of one probe.

    Args:
        rarity: What was learnt.
        corpus: Where a term is counted.
        condition: The same as the engine says it.
        probe: What is searched for.
    """

    def __init__(self, rarity: Rarity, corpus: Corpus, condition: edge.Filter, probe: SparseVector) -> None:
        self._rarity = rarity
        self._corpus = corpus
        self._condition = condition
        self._probe = probe
        self._known = rarity.of(corpus)
        known = self._known or {}
        self._unknown = [term for term in probe.indices if term not in known]

    def weighed(self) -> tuple[SparseVector, edge.SearchParams]:
        """The probe, and how to search with it: the engine weighs it, unless that is done here already."""
        known, probe = self._known, self._probe
        if known is None or self._unknown:
            return probe, _counting_in(self._condition)
        values = [value * known[term] for term, value in zip(probe.indices, probe.values, strict=True)]
        return SparseVector(probe.indices, values), _counting_in(edge.Filter(must=[edge.HasIdCondition(set())]))

    def lessons(self) -> list[edge.QueryRequest]:
        """Searches for terms that are not known yet, to be asked in one batch with the search itself."""
        if self._known is None:
            return []
        return [
            edge.QueryRequest(
                1,
                query=edge.Query.Nearest(edge.SparseVector([term], [1.0]), using=SPARSE),
                filter=self._condition,
                params=_counting_in(self._condition),
                with_vector=[SPARSE],
            )
            for term in self._unknown
        ]

    def learn(self, found: Sequence[Sequence[edge.ScoredPoint]]) -> None:
        """Remembers what the lessons have found."""
        if found and self._known is not None:
            weights = {term: _weight(term, points) for term, points in zip(self._unknown, found, strict=True)}
            told = {term: weight for term, weight in weights.items() if weight is not None}
            self._rarity.learn(self._corpus, self._known, told)


def _counting_in(corpus: edge.Filter) -> edge.SearchParams:
    return edge.SearchParams(idf=edge.IdfParams(corpus))


def _weight(term: int, found: Sequence[edge.ScoredPoint]) -> float | None:
    """The factor of a term of a probe that the engine weighs as in nothing; None where it cannot be told."""
    if not found:
        # No point of the corpus has it.
        return 0.0
    vectors = found[0].vector
    own = vectors[SPARSE] if isinstance(vectors, dict) else None
    assert isinstance(own, edge.SparseVector)
    value = dict(zip(own.indices, own.values, strict=True)).get(term, 0.0)
    return found[0].score / value / _WEIGHT_IN_NOTHING if value > 0 else None
