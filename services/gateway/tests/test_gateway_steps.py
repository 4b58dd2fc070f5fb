"""How long a step of a run is tried."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.workflows.steps import MOST_TRIES, STEPS_TIMEOUT, retry_of, time_of_tries

_TIMES = st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1))


@pytest.mark.parametrize(
    ("left", "told", "tried"),
    [(10, None, 10), (40, None, 30), (60, None, 30), (120, None, 60), (600, None, 300), (120, 5, 5), (3, 5, 3)],
)
def test_a_step_is_tried_for_half_of_the_time_or_as_told(left: int, told: int | None, tried: int) -> None:
    patience = None if told is None else timedelta(seconds=told)
    assert time_of_tries(timedelta(seconds=left), patience) == timedelta(seconds=tried)


@given(_TIMES, st.none() | _TIMES)
def test_a_step_ends_with_the_run_at_the_latest(left: timedelta, patience: timedelta | None) -> None:
    tried = time_of_tries(left, patience)
    assert timedelta() < tried <= left
    assert patience is not None or tried >= min(left, STEPS_TIMEOUT)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=30)))
def test_a_peer_that_is_away_for_a_long_time_fills_no_history(together: timedelta) -> None:
    retry = retry_of(together)
    assert retry.maximum_interval is not None
    tries, pause, passed = 1, retry.initial_interval, timedelta()
    while passed + pause < together:
        tries, passed = tries + 1, passed + pause
        pause = min(pause * retry.backoff_coefficient, retry.maximum_interval)
    # Six events each, of 51,200 that a history may have.
    assert tries <= MOST_TRIES + 20
    assert together > timedelta(minutes=30) or retry.maximum_interval == timedelta(seconds=2)
