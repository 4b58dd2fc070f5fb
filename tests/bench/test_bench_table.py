"""The table of the benchmarks: what the page says is what the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench import __main__ as bench
from tests.bench import path_page
from tests.bench.rows import MICROSECONDS, MORE_MILLISECONDS, PLAIN, ROWS, TIMES
from tests.bench.table import (
    BEGIN,
    END,
    PAGE,
    Row,
    Spread,
    Unit,
    added,
    column,
    markdown,
    measured,
    plain,
    ratio,
    written,
)

LINES = [
    {"round": "1", "subject": "2", "peer": "4", "kind": "a"},
    {"round": "2", "subject": "9", "peer": "3", "kind": "a"},
    {"round": "3", "subject": "8", "peer": "4", "kind": "b"},
]


def row(spread: Spread = Spread.RANGE, unit: Unit = TIMES, **bounds: float) -> Row:
    return Row("one", "one", "subject", "peer", ratio("subject", "peer"), unit, spread, **bounds)


def test_the_page_says_what_the_files_hold() -> None:
    page = PAGE.read_text()

    assert page == written(page, markdown(measured(ROWS))), "run: .venv/bin/python -m tests.bench.rows"


def test_the_page_about_the_path_of_a_request_says_what_the_files_hold() -> None:
    page = path_page.PAGE.read_text()

    assert page == written(page, path_page.tables()), "run: .venv/bin/python -m tests.bench.rows"


def test_every_row_is_of_a_benchmark_that_there_is() -> None:
    assert {each.benchmark for each in ROWS} <= set(bench.BENCHMARKS)


def test_rounds_are_told_by_their_median_which_is_held_against_the_target() -> None:
    assert row(most=2.0).cells(LINES) == ("subject", "peer", "2.00x (0.50 to 3.00)", "at most 2.00x", "reached")
    assert row(least=2.01).cells(LINES)[3:] == ("at least 2.01x", "**missed**")
    assert row(least=1.0, most=1.9).cells(LINES)[3:] == ("at least 1.00x and at most 1.90x", "**missed**")
    assert row().cells(LINES)[3:] == ("-", "-")


@pytest.mark.parametrize(("spread", "told"), [(Spread.EACH, "0.50, 3.00 and 2.00x"), (Spread.SPAN, "0.50 to 3.00x")])
def test_of_figures_that_are_no_rounds_the_worst_counts(spread: Spread, told: str) -> None:
    assert row(spread, most=2.9).cells(LINES)[2:] == (told, "at most 2.90x", "**missed**")
    assert row(spread, least=0.5).cells(LINES)[2:] == (told, "at least 0.50x", "reached")


def test_many_rounds_are_told_by_their_quartiles() -> None:
    assert row(Spread.QUARTILES).cells(LINES)[2] == "2.00x (quartiles 0.50 to 3.00)"


def test_one_figure_has_no_range() -> None:
    one = Row("one", "one", "what", "", column("subject", times=10, kind="b"), MICROSECONDS)

    assert one.cells(LINES) == ("what", "-", "80 us", "-", "-")


def test_a_peer_is_told_behind_figures_that_are_no_ratios() -> None:
    more = Row("one", "one", "what", "floor", added("subject", "peer", kind="a"), MORE_MILLISECONDS, Spread.EACH,
               peer=column("peer", kind="a"), peer_unit=PLAIN)  # fmt: skip

    assert more.cells(LINES)[2] == "-2.00 and +6.00 ms beside 4.00 and 3.00"


def test_what_has_not_been_measured_has_no_row(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("# a machine\nkind,subject\na,1\n")
    rows = [
        Row("one", file, "what", "", column("subject", kind=kind), TIMES) for file in ("one", "two") for kind in "ab"
    ]

    assert measured(rows, tmp_path) == [("what", "-", "1.00x", "-", "-")]


def test_a_table_for_a_terminal_is_aligned_and_has_no_marks() -> None:
    shown = plain([("durable chat", "a workflow", "2.00x", "at most 1.00x", "**missed**")]).splitlines()

    assert shown[0].index("verdict") == shown[1].index("missed")
    assert "*" not in shown[1]


def test_a_page_keeps_what_stands_around_the_table() -> None:
    assert written(f"before\n{BEGIN}old\n{END}after\n", "new\n") == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    with pytest.raises(ValueError, match="begins and ends"):
        written("a page without a table", "new\n")
