"""The place of a run in its queue, as far as the queue's statistics tell it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.taskqueue.v1 import TaskQueueStats

from olo_gateway.adapters.places_in_line import place_among_equals

SECONDS = st.floats(0, 1e5, allow_nan=False)


def stats(count: int, age: float) -> TaskQueueStats:
    told = TaskQueueStats(approximate_backlog_count=count)
    told.approximate_backlog_age.FromTimedelta(timedelta(seconds=age))
    return told


@given(st.integers(1, 500), st.floats(0.01, 100))
def test_tasks_that_came_evenly_stand_in_their_order(count: int, apart: float) -> None:
    oldest = count * apart
    places = [place_among_equals(stats(count, oldest), oldest * (1 - i / max(1, count - 1))) for i in range(count)]
    assert places == list(range(1, count + 1))


@given(st.integers(1, 500), SECONDS, SECONDS, SECONDS)
def test_who_has_waited_longer_never_stands_behind(count: int, age: float, one: float, other: float) -> None:
    longer, shorter = max(one, other), min(one, other)
    ahead, behind = place_among_equals(stats(count, age), longer), place_among_equals(stats(count, age), shorter)
    assert 1 <= ahead <= count
    assert 1 <= behind <= count
    # The age that the queue tells is older than the one of the longest waiting, or the clocks differ.
    assert ahead <= behind or longer > age
