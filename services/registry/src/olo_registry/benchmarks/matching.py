"""Which record of a source means which model of ours. What is certain is matched, what is doubtful a person decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rapidfuzz import fuzz

from olo_registry.benchmarks.known_names import KNOWN_NAMES
from olo_registry.benchmarks.names import ModelName, parse_name

_BLOCK: Final = 3
_NEARLY: Final = 90.0
_MOST_DOUBTFUL: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that may mean the model."""

    record: str
    doubts: tuple[str, ...]
    """What has to be looked at; empty: it is certain."""
    likeness: float
    """0 to 100, of the two spellings."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is known of one name in one source."""

    match: str | None
    """The record that certainly means it."""
    doubtful: tuple[Candidate, ...] = ()
    """Records that may mean it, the likeliest first; only where none does for certain."""


class Index:
    """The names of one source, in blocks of the same beginning, so that few pairs are compared.

    Args:
        names: Each record's name, with the other spellings that the source gives.
    """

    def __init__(self, names: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._blocks: dict[str, list[tuple[str, str, ModelName]]] = {}
        for record, others in names:
            for spelling in dict.fromkeys([record, *others]):
                parsed = parse_name(canonical(spelling))
                self._blocks.setdefault(parsed.words[:_BLOCK], []).append((record, spelling, parsed))

    def resolve(self, name: str) -> Resolution:
        """Finds what means this name."""
        wanted = parse_name(canonical(name))
        found: dict[str, Candidate] = {}
        for record, spelling, parsed in self._blocks.get(wanted.words[:_BLOCK], ()):
            doubts = compare(wanted, parsed)
            if doubts is None:
                continue
            candidate = Candidate(record, doubts, fuzz.ratio(name.lower(), spelling.lower()))
            known = found.get(record)
            if known is None or _order(candidate) < _order(known):
                found[record] = candidate
        ranked = sorted(found.values(), key=_order)
        if ranked and not ranked[0].doubts:
            return Resolution(ranked[0].record)
        return Resolution(None, tuple(ranked[:_MOST_DOUBTFUL]))


class _Part(Enum):
    """How one part of two names compares."""

    SAME = 0
    DOUBTFUL = 1
    DIFFERENT = 2


def compare(one: ModelName, other: ModelName) -> tuple[str, ...] | None:
    """What is doubtful about two names meaning one model; nothing: they do; None: they do not."""
    parts = {
        "spelling": _spelling(one.words, other.words),
        "distillation": _alike(one.distilled, other.distilled),
        "size": _said(one.size, other.size),
        "window": _said(one.window, other.window),
        "active": _active(one.active, other.active),
        "date": _dates(one.date, other.date),
        "version": _versions(one.versions, other.versions),
        "training": _training(one, other),
        "preview": _Part.SAME if one.preview == other.preview else _Part.DOUBTFUL,
    }
    if _Part.DIFFERENT in parts.values():
        return None
    return tuple(name for name, part in parts.items() if part is _Part.DOUBTFUL)


def _spelling(one: str, other: str) -> _Part:
    if one == other:
        return _Part.SAME
    return _Part.DOUBTFUL if fuzz.ratio(one, other) >= _NEARLY else _Part.DIFFERENT


def _alike(one: bool, other: bool) -> _Part:
    return _Part.SAME if one == other else _Part.DIFFERENT


def _said(one: str, other: str) -> _Part:
    if one == other:
        return _Part.SAME
    return _Part.DIFFERENT if one and other else _Part.DOUBTFUL


def _active(one: str, other: str) -> _Part:
    # The size says enough: who leaves this out means the same model.
    return _Part.DIFFERENT if one and other and one != other else _Part.SAME


def _dates(one: str, other: str) -> _Part:
    # Some leave out the year: 0613 and 20230613 are one day.
    if one and other and (one.endswith(other) or other.endswith(one)):
        return _Part.SAME
    return _said(one, other)


def _versions(one: tuple[str, ...], other: tuple[str, ...]) -> _Part:
    if one == other:
        return _Part.SAME
    fewer, more = sorted((set(one), set(other)), key=len)
    return _Part.DOUBTFUL if fewer < more else _Part.DIFFERENT


def _training(one: ModelName, other: ModelName) -> _Part:
    if one.tuned is other.tuned:
        return _Part.SAME
    if None not in (one.tuned, other.tuned):
        return _Part.DIFFERENT
    implied = one.implied or other.implied
    if implied:
        return _Part.DIFFERENT if False in (one.tuned, other.tuned) else _Part.SAME
    return _Part.DOUBTFUL


def canonical(name: str) -> str:
    """The spelling that says all, where a well-known short one does not."""
    return KNOWN_NAMES.get(name.strip().lower(), name)


def _order(candidate: Candidate) -> tuple[int, float, str]:
    return len(candidate.doubts), -candidate.likeness, candidate.record
