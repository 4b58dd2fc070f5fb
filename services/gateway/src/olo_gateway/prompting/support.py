"""Whether what a mark stands for has support in the passage that it names. A matter of words, the same at every run.

A mark stands for the sentence that it is in or follows; where a sentence has marks in several places, for the part
before it. Of the words of that claim with four letters or more, which count as the same where they begin with the
same five letters, at least half must be in the passage, and so must all its numbers: a date that no passage has is
what invented answers look like. Scripts without blanks are compared by pairs of characters. Where marks stand side by
side, all passages together must have that, and each its share.

This finds claims that a passage says nothing of. It does not find what is put together wrongly from a passage's own
words, and it doubts a paraphrase in other words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final, TypeAlias

ENOUGH: Final = 0.5
"""Share of the words of a claim that its passages must have."""
_LONG: Final = 4
_STEM: Final = 5

# Possessive and from the first sign on: a million signs in a row must not take a million times a million steps.
_SENTENCE_END: Final = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019)]*+(?=[\s\[]|\Z)|[\u3002\uff01\uff1f]+|\n+"
)
_BETWEEN_MARKS: Final = re.compile(r"[ \t,;]*")
_ENUMERATION: Final = re.compile(r"^\s*(?:[-*\u2022]|[0-9]{1,2}[.)])\s+")
_WORDS: Final = re.compile(r"([0-9]+(?:[.,:][0-9]+)*)|([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+)|([^\W\d_]+)")

Place: TypeAlias = tuple[int, int, int]
"""Where a mark begins and ends in the answer, and its number."""


@dataclass(frozen=True, slots=True)
class Support:
    """How far a mark holds."""

    supported: bool
    overlap: float
    """0 to 1: share of the words of the claim that the passage has."""


@dataclass(frozen=True, slots=True)
class _Words:
    words: frozenset[str]
    numbers: frozenset[str]

    def share_in(self, other: _Words) -> float:
        """Share of these words and numbers that the other has; 0 where there are none."""
        mine = len(self.words) + len(self.numbers)
        both = len(self.words & other.words) + len(self.numbers & other.numbers)
        return both / mine if mine else 0.0


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Marks side by side."""

    start: int
    end: int
    places: tuple[Place, ...]


def support_of(answer: str, places: Sequence[Place], passages: Sequence[str]) -> list[Support]:
    """How far each mark holds; one that no passage has does not.

    Args:
        answer: What the model has said.
        places: Its marks, in its order.
        passages: What was put before the model, in the order of their numbers from 1.
    """
    clusters = _clusters(answer, places)
    known = {index: _words(passages[index - 1]) for _, _, index in places if 1 <= index <= len(passages)}
    supports: list[Support] = []
    # Many marks may stand for one long sentence.
    claimed = cache(_claimed)
    for cluster, claim in zip(clusters, _claims(answer, clusters), strict=True):
        named = [known[index] for _, _, index in cluster.places if index in known]
        together = _Words(
            frozenset().union(*(each.words for each in named)), frozenset().union(*(each.numbers for each in named))
        )
        said = claimed(claim)
        holds = said.share_in(together) >= ENOUGH and said.numbers <= together.numbers
        for _, _, index in cluster.places:
            overlap = said.share_in(known[index]) if index in known else 0.0
            supports.append(Support(holds and index in known and overlap >= ENOUGH / len(named), overlap))
    return supports


def _clusters(answer: str, places: Sequence[Place]) -> list[_Cluster]:
    clusters: list[_Cluster] = []
    for (start, end), together in groupby(places, key=lambda place: place[:2]):
        added = tuple(together)
        if clusters and _BETWEEN_MARKS.fullmatch(answer, clusters[-1].end, start):
            last = clusters.pop()
            clusters.append(_Cluster(last.start, end, last.places + added))
        else:
            clusters.append(_Cluster(start, end, added))
    return clusters


def _claims(answer: str, clusters: Sequence[_Cluster]) -> list[str]:
    cuts = _cuts(answer, clusters)
    sentences = [bisect_right(cuts, cluster.start) for cluster in clusters]
    claims = []

    @cache
    def whole(sentence: int) -> str:
        """A sentence without its marks; empty where it has no words, or is none."""
        text = _without(answer, cuts[sentence - 1], cuts[sentence], clusters) if sentence else ""
        return text if _WORDS.search(text) else ""

    for position, cluster in enumerate(clusters):
        sentence = sentences[position]
        first = position == 0 or sentences[position - 1] != sentence
        last = position + 1 == len(clusters) or sentences[position + 1] != sentence
        begin = cuts[sentence - 1] if first else clusters[position - 1].end
        part = answer[begin : cluster.start]
        if last:
            part += " " + answer[cluster.end : cuts[sentence]]
        if not _WORDS.search(part):
            # It stands alone: what it stands for is its sentence, or the one before.
            part = whole(sentence) or whole(sentence - 1)
        claims.append(_ENUMERATION.sub("", part))
    return claims


def _cuts(answer: str, clusters: Sequence[_Cluster]) -> list[int]:
    """Where sentences begin, and the end. Marks right behind the end of a sentence belong to it."""
    cuts, position = [0], 0
    for found in _SENTENCE_END.finditer(answer):
        cut = found.end()
        while position < len(clusters) and clusters[position].end <= found.start():
            position += 1
        if position < len(clusters) and _BETWEEN_MARKS.fullmatch(answer, cut, max(cut, clusters[position].start)):
            cut = clusters[position].end
        if cut > cuts[-1]:
            cuts.append(cut)
    if cuts[-1] < len(answer):
        cuts.append(len(answer))
    return cuts


def _without(answer: str, start: int, end: int, clusters: Sequence[_Cluster]) -> str:
    """A stretch of the answer without the marks in it."""
    parts = []
    for cluster in clusters:
        if start <= cluster.start and cluster.end <= end:
            parts.append(answer[start : cluster.start])
            start = cluster.end
    return " ".join([*parts, answer[start:end]])


def _claimed(claim: str) -> _Words:
    """The words to look for: the longer ones, or all where there are none."""
    long = _words(claim, shortest=_LONG)
    return long if long.words or long.numbers else _words(claim)


def _words(text: str, shortest: int = 1) -> _Words:
    words: set[str] = set()
    numbers: set[str] = set()
    for number, ideographs, word in _WORDS.findall(text.casefold()):
        if number:
            numbers.add(number.replace(",", ""))
        elif ideographs:
            words.update(ideographs[i : i + 2] for i in range(max(1, len(ideographs) - 1)))
        elif len(word) >= shortest:
            words.add(word[:_STEM])
    return _Words(frozenset(words), frozenset(numbers))
