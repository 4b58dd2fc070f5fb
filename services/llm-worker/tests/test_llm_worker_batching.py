from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from olo_llm_worker.generation.batching import Limits, choose
from olo_llm_worker.generation.prefixes import SHORTEST, Prefixes, common


@dataclass(frozen=True, eq=False)
class Row:
    key: str
    length: int
    cost: int
    exact: bool


LIMITS = st.builds(
    Limits, rows=st.integers(1, 8), tokens=st.integers(0, 2000), ratio=st.floats(0, 0.5), slack=st.integers(0, 32)
)
# Whether lengths must be equal goes with the options, and so with the key.
ROWS = st.lists(
    st.builds(
        lambda key, length: Row(key, length, length + 10, key == "c"), st.sampled_from("abc"), st.integers(1, 300)
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS, LIMITS)
def test_a_batch_is_the_oldest_row_and_what_goes_with_it(rows: list[Row], limits: Limits) -> None:
    chosen = choose(rows, limits)
    assert chosen[0] is rows[0]
    assert len(chosen) <= limits.rows
    assert chosen == [row for row in rows if row in chosen], "in the order of arrival, none twice"
    assert {row.key for row in chosen} == {rows[0].key}
    lengths = [row.length for row in chosen]
    assert max(lengths) <= limits.longest(min(lengths), exact=rows[0].exact)
    assert not limits.tokens or len(chosen) == 1 or sum(row.cost for row in chosen) <= limits.tokens


@given(ROWS, LIMITS)
def test_no_row_is_passed_for_ever(rows: list[Row], limits: Limits) -> None:
    target, turns, waiting = rows[-1], 0, list(rows)
    while target in waiting:
        chosen = choose(waiting, limits)
        # For each that goes another comes that is just as easy to take.
        others = [Row(row.key, row.length, row.cost, row.exact) for row in chosen]
        waiting = [row for row in waiting if row not in chosen] + others
        turns += 1
    assert turns <= len(rows)


def test_as_many_as_can_go_together_do() -> None:
    rows = [Row("a", length, 0, False) for length in (100, 90, 110, 111, 112, 300, 95)]
    chosen = choose(rows, Limits(rows=8, ratio=0.12, slack=0))
    assert [row.length for row in chosen] == [100, 110, 111, 112]


def test_only_what_comes_again_is_kept_and_only_so_much() -> None:
    prefixes = Prefixes(2)
    one, two, three = (tuple(range(n, n + SHORTEST)) for n in (0, 1, 2))
    assert [prefixes.admit(p) for p in (one, two, one, two, three, three, one)] == [(), (), one, two, (), (), one]
    assert prefixes.admit(one[:-1]) == ()
    assert len(prefixes) == 2


@given(st.lists(st.integers(0, 2), min_size=1), st.lists(st.integers(0, 2)))
def test_a_common_beginning_leaves_something(first: list[int], second: list[int]) -> None:
    shared = common(first, second)
    assert len(shared) < len(first)
    assert list(shared) == first[: len(shared)] == second[: len(shared)]
