"""Pages of vector stores and their files, walked in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.http.vector_stores.paging import Order, Pages

ORDERS = st.sampled_from(("asc", "desc"))


@dataclass
class Item:
    id: str


def listed(count: int) -> list[Item]:
    """A list, newest first."""
    return [Item(f"file-{number}") for number in range(count)]


def walked(items: list[Item], limit: int, order: Order, direction: Literal["after", "before"], start: str) -> list[str]:
    """What a client finds that asks for one page after the other as long as there are more."""
    found: list[str] = []
    while True:
        after, before = (start, "") if direction == "after" else ("", start)
        page = Pages(limit, after, before, order).of(items)
        ids = [item.id for item in page.items]
        assert len(ids) <= limit
        assert (page.first, page.last) == ((ids[0], ids[-1]) if ids else (None, None))
        found = [*found, *ids] if direction == "after" else [*ids, *found]
        if not page.more:
            return found
        start = ids[-1] if direction == "after" else ids[0]


@given(st.integers(0, 20), st.integers(1, 6), ORDERS)
def test_a_walk_forwards_finds_everything_once(count: int, limit: int, order: Order) -> None:
    ids = [item.id for item in listed(count)]
    assert walked(listed(count), limit, order, "after", "") == (ids if order == "desc" else ids[::-1])


@given(st.integers(1, 20), st.integers(1, 6), ORDERS)
def test_a_walk_backwards_finds_all_that_comes_before(count: int, limit: int, order: Order) -> None:
    ids = [item.id for item in listed(count)]
    ids = ids if order == "desc" else ids[::-1]
    assert walked(listed(count), limit, order, "before", ids[-1]) == ids[:-1]


def test_an_id_that_is_not_there_has_nothing_beside_it() -> None:
    assert walked(listed(3), 2, "desc", "after", "file-9") == []
    assert walked(listed(3), 2, "desc", "before", "file-9") == []
