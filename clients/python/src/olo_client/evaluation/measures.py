"""Measures of rankings and of answers. Pure; each is between 0 and 1, greater is better."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

Relevant = Mapping[str, int]
"""The documents that count, with a grade of 1 or more."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MARK = re.compile(r"\[\d+\]")
_WORD = re.compile(r"\w+")
_SUPPORTED = 0.6
"""Share of the longer words of a sentence that its passages must have."""
_LONGER = 4


def recall(ranking: Sequence[str], relevant: Relevant, k: int) -> float:
    """Share of the relevant documents that are among the first k."""
    return len(set(ranking[:k]) & set(relevant)) / len(relevant)


def reciprocal_rank(ranking: Sequence[str], relevant: Relevant) -> float:
    """1 / rank of the first relevant document; 0 where there is none."""
    return next((1 / rank for rank, document in enumerate(ranking, 1) if document in relevant), 0.0)


def ndcg(ranking: Sequence[str], relevant: Relevant, k: int) -> float:
    """Normalised discounted cumulative gain of the first k, with the grade as gain and log2(rank + 1) as discount."""
    gained = _dcg([relevant.get(document, 0) for document in ranking[:k]])
    return gained / _dcg(sorted(relevant.values(), reverse=True)[:k])


def citation_precision(cited: Sequence[str], relevant: Relevant) -> float | None:
    """Share of the cited passages that come from a relevant document; None where nothing is cited."""
    return sum(document in relevant for document in cited) / len(cited) if cited else None


def groundedness(answer: str, passages: Sequence[str]) -> float | None:
    """Share of the sentences of an answer whose words are in the passages; None where it has no words to look for.

    A sentence counts when three fifths of its words of four letters or more are found. That is a matter of words: it
    finds what was made up out of nothing, not what was put together wrongly.
    """
    known = {word for passage in passages for word in _WORD.findall(passage.lower())}
    shares = []
    for sentence in _SENTENCE_END.split(_MARK.sub(" ", answer)):
        words = [word for word in _WORD.findall(sentence.lower()) if len(word) >= _LONGER or word.isdigit()]
        if words:
            shares.append(sum(word in known for word in words) / len(words) >= _SUPPORTED)
    return sum(shares) / len(shares) if shares else None


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
