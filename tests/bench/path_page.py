"""The tables of where a request's time goes, out of the files of `durable_path`, `cpu_by_part` and `durable_layers`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.bench.harness import RESULTS
from tests.bench.table import lines_of, written

PAGE: Final = RESULTS.parent / "architecture" / "durable-request.md"
_LEAST_MILLISECONDS: Final = 0.5


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def tables(results: Path = RESULTS) -> str:
    """The steps of a chat, the CPU time of its processes, and of what is Python."""
    steps = lines_of(results / "durable_path.csv")
    whole = float(steps[-1]["p50_ms"])
    told = [
        (line["step"], line["what"], line["who"], line["p50_ms"], f"{float(line['p50_ms']) / whole:.0%}")
        for line in steps
    ]
    spent = [
        (line["part"], f"{1000 * float(line['cpu_s']):.1f}")
        for line in lines_of(results / "cpu_by_part.csv")
        if line["request"] == "plain" and 1000 * float(line["cpu_s"]) >= _LEAST_MILLISECONDS
    ]
    layers = [(line["layer"], f"{float(line['share']):.0%}") for line in lines_of(results / "durable_layers.csv")]
    return "\n".join(
        (
            _table(("", "step", "who", "ms, p50", "share"), told),
            _table(("process", "CPU of a streamed chat, ms"), sorted(spent, key=lambda each: -float(each[1]))),
            _table(("of all Python processes of a chat", "share of their CPU"), layers),
        )
    )


def main() -> None:
    """Writes the tables into their page."""
    PAGE.write_text(written(PAGE.read_text(), tables()))
