"""The table of the benchmarks: what, beside what, ratio, target, verdict. It is made from the CSV files they write.

`make bench` prints the rows of what it has run, and writes the table in `docs/benchmarks/README.md` anew. The rows are
declared in `rows`; a test holds the page against the files.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.harness import RESULTS

PAGE: Final = RESULTS / "README.md"
BEGIN: Final = "<!-- The table is made by `python -m tests.bench.rows`. -->\n"
END: Final = "<!-- End of the table. -->\n"
HEAD: Final = ("what", "beside", "ratio", "target", "verdict")
_NONE: Final = "-"

Line: TypeAlias = Mapping[str, str]
"""A line of a CSV file, by the names of its columns."""
Figures: TypeAlias = Callable[[Sequence[Line]], list[float]]
"""Reads figures out of the lines of a file."""


class Spread(Enum):
    """How several figures are told, and which of them is held against the target."""

    RANGE = auto()
    """The median, with the least and the most: rounds of one measurement."""
    QUARTILES = auto()
    """The median, with the quartiles: very many rounds."""
    EACH = auto()
    """All of them, one after the other; the worst counts."""
    SPAN = auto()
    """The least and the most; the worst counts."""


@dataclass(frozen=True)
class Unit:
    """How a figure is written.

    Attributes:
        mark: What stands behind it.
        decimals: Digits behind the point; None: as many as its size needs.
        signed: Whether it is a difference.
    """

    mark: str = ""
    decimals: int | None = None
    signed: bool = False

    def told(self, figure: float) -> str:
        """The figure without its mark."""
        size = abs(figure)
        decimals = (2 if size < 10 else 1 if size < 100 else 0) if self.decimals is None else self.decimals
        return f"{figure:{'+' if self.signed else ''}.{decimals}f}"


@dataclass(frozen=True)
class Row:
    """One row, as a value.

    Attributes:
        benchmark: The module that measures it.
        file: The CSV file, without its ending.
        what: The subject.
        beside: The floor or the peer; empty: there is none.
        figures: Reads what is compared.
        unit: Of the figures and of the target.
        spread: How several are told.
        most: The target: at most this.
        least: The target: at least this.
        peer: Reads what stands beside the figures, where these are no ratios.
        peer_unit: Of the peer's figures.
    """

    benchmark: str
    file: str
    what: str
    beside: str
    figures: Figures
    unit: Unit
    spread: Spread = Spread.RANGE
    most: float | None = None
    least: float | None = None
    peer: Figures | None = None
    peer_unit: Unit = Unit()

    def cells(self, lines: Sequence[Line]) -> tuple[str, ...]:
        """The cells of the row, from the lines of its file."""
        figures = self.figures(lines)
        told = _told(figures, self.unit, self.spread)
        if self.peer is not None:
            told += f" beside {_told(self.peer(lines), self.peer_unit, self.spread)}"
        return self.what, self.beside or _NONE, told, self._target(), self._verdict(figures)

    def _target(self) -> str:
        bounds = (("at least", self.least), ("at most", self.most))
        told = [f"{word} {self.unit.told(bound)}{self.unit.mark}" for word, bound in bounds if bound is not None]
        return " and ".join(told) or _NONE

    def _verdict(self, figures: Sequence[float]) -> str:
        if self.most is None and self.least is None:
            return _NONE
        single = self.spread in (Spread.RANGE, Spread.QUARTILES)
        judged = [statistics.median(figures)] if single else figures
        missed = (self.most is not None and max(judged) > self.most) or (
            self.least is not None and min(judged) < self.least
        )
        return "**missed**" if missed else "reached"


def _told(figures: Sequence[float], unit: Unit, spread: Spread) -> str:
    least, most = unit.told(min(figures)), unit.told(max(figures))
    middle = unit.told(statistics.median(figures)) + unit.mark
    if len(figures) == 1:
        return middle
    match spread:
        case Spread.RANGE:
            return f"{middle} ({least} to {most})"
        case Spread.QUARTILES:
            lower, _, upper = statistics.quantiles(figures, n=4)
            return f"{middle} (quartiles {unit.told(lower)} to {unit.told(upper)})"
        case Spread.EACH:
            *all_but_one, last = (unit.told(figure) for figure in figures)
            return f"{', '.join(all_but_one)} and {last}{unit.mark}"
        case Spread.SPAN:
            return f"{least} to {most}{unit.mark}"


def ratio(subject: str, peer: str, **where: str) -> Figures:
    """One column over another, line by line; see `column`."""

    def read(lines: Sequence[Line]) -> list[float]:
        return [float(line[subject]) / float(line[peer]) for line in _those(lines, where)]

    return read


def added(subject: str, peer: str, **where: str) -> Figures:
    """What one column has more than another, line by line; see `column`."""

    def read(lines: Sequence[Line]) -> list[float]:
        return [float(line[subject]) - float(line[peer]) for line in _those(lines, where)]

    return read


def column(name: str, *, times: float = 1.0, **where: str) -> Figures:
    """A column, in the lines whose other columns hold these texts.

    Args:
        name: Its name.
        times: What its figures are multiplied by.
        where: Texts of other columns.
    """

    def read(lines: Sequence[Line]) -> list[float]:
        return [times * float(line[name]) for line in _those(lines, where)]

    return read


def _those(lines: Sequence[Line], where: Mapping[str, str]) -> Iterator[Line]:
    return (line for line in lines if all(line[name] == text for name, text in where.items()))


def lines_of(file: Path) -> list[Line]:
    """The lines of a CSV file that `harness.write_csv` has written."""
    with file.open(newline="") as source:
        return list(csv.DictReader(line for line in source if not line.startswith("#")))


def measured(rows: Iterable[Row], results: Path = RESULTS) -> list[tuple[str, ...]]:
    """The cells of the rows whose figures are there."""
    found = ((row, results / f"{row.file}.csv") for row in rows)
    read = ((row, lines_of(file)) for row, file in found if file.exists())
    return [row.cells(lines) for row, lines in read if row.figures(lines)]


def markdown(cells: Iterable[Sequence[str]]) -> str:
    """A table for a page."""
    lines = [HEAD, ("---",) * len(HEAD), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plain(cells: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    lines = [HEAD, *([cell.strip("*") for cell in line] for line in cells)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    return "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines)


def written(page: str, table: str) -> str:
    """The page with its table replaced.

    Raises:
        ValueError: It has no place for one.
    """
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the page does not say where the table begins and ends")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
