"""How requests have ended, minute by minute."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class End(StrEnum):
    """How a request has ended."""

    WELL = "well"
    """As it should: with an answer, or, where it was wrong, with the refusal that it deserves."""
    REFUSED = "refused"
    """Not accepted: it was told when to come back."""
    BADLY = "badly"


@dataclass(frozen=True)
class Result:
    """One request of one client. `at` is in seconds since the load began."""

    kind: str
    end: End
    reason: str
    seconds: float
    at: float


@dataclass
class Tally:
    """All results of a load."""

    results: list[Result] = field(default_factory=list)

    def between(self, start: float, stop: float) -> list[Result]:
        """Those that came in this time."""
        return [result for result in self.results if start <= result.at < stop]

    @property
    def bad(self) -> Counter[str]:
        """How often which request has ended badly, and why."""
        return Counter(f"{result.kind}: {result.reason}" for result in self.results if result.end is End.BADLY)

    @property
    def lost_share(self) -> float:
        """The share of the accepted requests that did not end well: the error budget that was used."""
        accepted = [result for result in self.results if result.end is not End.REFUSED]
        return sum(result.end is End.BADLY for result in accepted) / len(accepted) if accepted else 0.0


@dataclass(frozen=True)
class Summary:
    """Some results in figures. Times are in seconds, of those that ended well."""

    requests: int
    refused: int
    badly: int
    p50: float
    p95: float


def summary(results: Sequence[Result]) -> Summary:
    """The figures of some results."""
    ends = Counter(result.end for result in results)
    times = [result.seconds for result in results if result.end is End.WELL]
    return Summary(len(results), ends[End.REFUSED], ends[End.BADLY], _quantile(times, 50), _quantile(times, 95))


def _quantile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
