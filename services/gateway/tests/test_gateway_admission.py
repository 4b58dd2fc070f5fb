"""Admission: the limit learns, reserves hold, tenants get their share, refusals say when to come back."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.errors import DeadlineExceeded, GatewayStopping, NoModelAvailable, Overloaded
from olo_gateway.runs.admission.admission import Admission, Applicant, Place
from olo_gateway.runs.admission.appointments import LONGEST_SECONDS, Appointments
from olo_gateway.runs.admission.limit import AdaptiveLimit, Bounds
from olo_gateway.runs.admission.priority import Priority

BOUNDS = Bounds(lowest=4, highest=256, tolerance=4.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """An admission whose applicants stay until they are told to go."""

    def __init__(self, places: int, *, lowest: int | None = None) -> None:
        self.clock = Clock()
        bounds = Bounds(lowest or places, places, 4.0, first=places)
        self.admission = Admission(bounds, clock=self.clock, jitter=lambda: 0.0)
        self.inside: list[tuple[ExitStack, Applicant]] = []
        self.refused: list[Overloaded] = []

    def ask(self, applicant: Applicant | None = None) -> bool:
        stack, asked = ExitStack(), applicant or Applicant()
        try:
            stack.enter_context(self.admission.place(asked))
        except Overloaded as refusal:
            self.refused.append(refusal)
            return False
        self.inside.append((stack, asked))
        return True

    def release(self, index: int = 0) -> None:
        self.inside.pop(index)[0].close()

    def held(self) -> Counter[object]:
        counts: Counter[object] = Counter()
        for _, applicant in self.inside:
            counts[applicant.priority] += 1
            counts[applicant.tenant] += 1
        return counts


def settle(limit: AdaptiveLimit, seconds: float, runs: int, in_flight: int | None = None) -> None:
    """So many runs, as many at once as the limit allows."""
    for _ in range(runs):
        most = limit.now if in_flight is None else in_flight
        limit.began(most)
        limit.ended("m", seconds, most_in_flight=most)


def calm_limit() -> AdaptiveLimit:
    limit = AdaptiveLimit(BOUNDS)
    settle(limit, 1.0, 10, in_flight=1)
    return limit


def test_the_limit_grows_while_answers_stay_quick_and_not_where_it_is_not_used() -> None:
    limit = calm_limit()
    settle(limit, 1.0, 200, in_flight=2)
    assert limit.now == 32
    settle(limit, 1.5, 400)
    assert limit.now == 256


def test_the_limit_falls_while_answers_are_slow_and_rises_again() -> None:
    limit = calm_limit()
    settle(limit, 20.0, 150)
    low = limit.now
    assert low < 24
    settle(limit, 1.0, 400)
    assert limit.now > low


def test_the_limit_finds_the_capacity_of_a_server_and_stays_there() -> None:
    """A server that takes 8 at once: beyond that, each further one makes all wait longer."""
    limit = calm_limit()
    seen = []
    for _ in range(2000):
        seconds = max(1.0, limit.now / 8)
        settle(limit, seconds, 1)
        seen.append(limit.now)
    assert all(16 <= at <= 64 for at in seen[1000:])


def test_a_model_that_has_become_slower_for_good_is_learned_anew() -> None:
    limit = calm_limit()
    settle(limit, 10.0, 3000)
    assert limit.now > 16


def test_a_calm_that_was_none_is_found_out() -> None:
    limit = AdaptiveLimit(BOUNDS)
    settle(limit, 8.0, 20)
    settle(limit, 1.0, 100)
    assert limit.expected("m")[0] == pytest.approx(1.0)


def test_the_spread_of_answers_is_no_slowness() -> None:
    limit = calm_limit()
    for seconds in [0.5, 1.0, 2.0] * 200:
        settle(limit, seconds, 1)
    assert limit.expected("m")[0] > 0.9
    assert limit.now > 32


def test_kinds_are_compared_with_themselves() -> None:
    limit = calm_limit()
    for _ in range(100):
        limit.ended("large", 30.0, most_in_flight=2)
    assert limit.slowness == pytest.approx(1.0, abs=0.01)


def test_a_long_answer_is_no_slow_short_one() -> None:
    limit = calm_limit()
    for _ in range(100):
        limit.ended("m", 60.0, most_in_flight=20, tokens=1000)
    assert limit.slowness == pytest.approx(1.0, abs=0.01)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.integers(1, 1000), st.none() | st.integers(0, 9999), st.sampled_from("abc")),
        max_size=300,
    )
)
def test_the_limit_stays_within_its_bounds_whatever_happens(ends: list[tuple[float, int, int | None, str]]) -> None:
    limit = AdaptiveLimit(BOUNDS)
    for seconds, in_flight, tokens, kind in ends:
        limit.began(in_flight)
        limit.ended(kind, seconds, most_in_flight=in_flight, tokens=tokens)
        assert BOUNDS.lowest <= limit.now <= BOUNDS.highest
        assert math.isfinite(limit.slowness)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(list(Priority)), st.sampled_from(["a", "b", "c"])),
        st.integers(0, 50),
    ),
    max_size=200,
)


@given(st.integers(1, 20), STEPS)
def test_places_are_never_more_than_the_limit_and_all_come_back(places: int, steps: list[object]) -> None:
    desk = Desk(places)
    for step in steps:
        desk.clock.now += 0.01
        if isinstance(step, tuple):
            desk.ask(Applicant(priority=step[0], tenant=step[1]))
        elif isinstance(step, int) and desk.inside:
            desk.release(step % len(desk.inside))
        assert desk.admission.in_flight == len(desk.inside) <= places
    while desk.inside:
        desk.release()
    assert desk.admission.in_flight == 0
    assert desk.ask(Applicant(priority=Priority.INTERACTIVE))
    assert all(0 < (refusal.retry_after or 0) <= LONGEST_SECONDS for refusal in desk.refused)


@given(st.integers(10, 100))
def test_the_less_urgent_cannot_take_what_is_kept_for_the_more_urgent(places: int) -> None:
    desk = Desk(places)
    while desk.ask(Applicant(priority=Priority.BATCH)):
        pass
    while desk.ask(Applicant(priority=Priority.NORMAL)):
        pass
    while desk.ask(Applicant(priority=Priority.INTERACTIVE)):
        pass
    held = desk.held()
    assert held[Priority.BATCH] == places // 2
    assert held[Priority.NORMAL] == int(places * 0.9) - places // 2
    assert len(desk.inside) == places
    assert desk.admission.refused == dict.fromkeys(Priority, 1)


@given(st.integers(8, 64), st.integers(1, 5))
def test_a_greedy_tenant_leaves_a_place_to_each_other_one(places: int, others: int) -> None:
    desk = Desk(places)
    light = [Applicant(tenant=f"t{n}", priority=Priority.INTERACTIVE) for n in range(others)]
    for applicant in light:
        assert desk.ask(applicant)
    while desk.inside:
        desk.release()
    heavy = Applicant(tenant="heavy", priority=Priority.INTERACTIVE)
    while desk.ask(heavy):
        pass
    assert desk.held()["heavy"] == places - min(others, places // 2)
    assert all(desk.ask(applicant) for applicant in light[: places // 2])


def test_a_tenant_alone_may_have_everything() -> None:
    desk = Desk(10)
    desk.ask(Applicant(tenant="other"))
    desk.release()
    desk.clock.now += 60
    while desk.ask(Applicant(tenant="alone", priority=Priority.INTERACTIVE)):
        pass
    assert len(desk.inside) == 10


def test_refused_callers_are_told_to_come_one_by_one() -> None:
    desk = Desk(4)
    everything = Applicant(priority=Priority.INTERACTIVE)
    for _ in range(4):
        assert desk.ask(everything)
    desk.clock.now += 8
    desk.release()
    assert desk.ask(everything)
    waits = []
    for _ in range(3):
        assert not desk.ask(everything)
        waits.append(desk.refused[-1].retry_after)
    # A run takes 8 s and four are in flight: a place is free each 2 s.
    assert waits == pytest.approx([2.0, 4.0, 6.0])
    assert desk.refused[-1].metadata == {"in_flight": "4", "limit": "4"}


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e9)), max_size=50), st.floats(0, 1))
def test_an_appointment_is_never_in_the_past_nor_beyond_a_minute(
    asked: list[tuple[float, float]], jitter: float
) -> None:
    appointments, now = Appointments(lambda: jitter), 0.0
    for pause, each in asked:
        now += pause
        assert 0 < appointments.make(now, each) <= LONGEST_SECONDS


def test_what_the_load_would_make_late_is_refused_at_once_and_what_is_hopeless_anyway_is_tried() -> None:
    desk = Desk(12, lowest=4)
    slow = Applicant("r", "m", timeout=60.0)
    for seconds, crowd in ((1.0, 1), (3.0, 8)):
        for _ in range(20):
            for _ in range(crowd):
                assert desk.ask(slow)
            desk.clock.now += seconds
            while desk.inside:
                desk.release()
    for _ in range(5):
        assert desk.ask(slow)
    assert not desk.ask(Applicant("r", "m", timeout=2.0))
    assert "deadline" in desk.refused[-1].message
    assert desk.ask(Applicant("r", "m", timeout=0.1))


def learned(
    place_seconds: float, run_seconds: float, error: Exception | None = None, *, disturbed: bool = False
) -> float:
    """The usual seconds after one run."""
    desk = Desk(8)
    try:
        with desk.admission.place(Applicant("r", "m")) as place:
            desk.clock.now += place_seconds
            place.run_seconds, place.disturbed = run_seconds, disturbed
            if error is not None:
                raise error
    except (NoModelAvailable, DeadlineExceeded):
        pass
    return desk.admission._limit.usual_seconds


def test_only_runs_of_ones_own_that_end_with_an_answer_say_how_long_one_takes() -> None:
    assert learned(3.0, 2.9) == pytest.approx(3.0)
    assert learned(0.1, 2.9) == 0.0, "the caller came back to a run that was there"
    assert learned(3.0, 2.9, disturbed=True) == 0.0, "a worker died; that is no load"
    assert learned(3.0, 0.0, NoModelAvailable("none")) == 0.0
    assert learned(3.0, 0.0, DeadlineExceeded("late")) == 0.0


def test_a_slow_reader_is_not_a_slow_run() -> None:
    clock = Clock()
    place = Place(clock, 1)
    clock.now += 2
    place.answered()
    clock.now += 100
    place.answered()
    assert place.seconds == 2


def test_a_parked_run_leaves_its_place_to_others_and_takes_it_again() -> None:
    desk = Desk(2)
    urgent = Applicant(priority=Priority.INTERACTIVE)
    with desk.admission.place(urgent) as parked:
        desk.admission.step_aside(parked)
        desk.admission.step_aside(parked)
        assert desk.admission.in_flight == 0
        assert desk.ask(urgent) and desk.ask(urgent) and not desk.ask(urgent)
        desk.admission.step_back(parked)
        desk.admission.step_back(parked)
        assert desk.admission.in_flight == 3, "it was accepted: above the limit, too"
    assert desk.admission.in_flight == 2


def test_a_parked_run_that_ends_leaves_nothing_behind_and_says_nothing_about_speed() -> None:
    desk = Desk(2)
    for _ in range(3):
        with desk.admission.place(Applicant("r", "m")) as parked:
            desk.clock.now += 600
            desk.admission.step_aside(parked)
    assert desk.admission.in_flight == 0
    assert desk.admission._limit.usual_seconds == 0.0
    with ExitStack() as inside:
        for _ in range(2):
            desk.admission.step_aside(inside.enter_context(desk.admission.place(Applicant())))
        kept = inside.enter_context(desk.admission.place(Applicant()))
        desk.admission.step_aside(kept)
        assert desk.admission.in_flight == 1, "not without end"


def test_who_comes_back_to_a_parked_run_has_no_place_to_leave() -> None:
    desk = Desk(2)
    mine = Applicant("run-mine")
    with desk.admission.place(mine) as place:
        place.accepted = True
    with desk.admission.place(mine) as again:
        desk.admission.step_aside(again)
        desk.admission.step_back(again)
        assert desk.admission.in_flight == 0


def test_a_closed_admission_lets_those_inside_end() -> None:
    desk = Desk(4)
    assert desk.ask()
    desk.admission.close()
    with pytest.raises(GatewayStopping) as caught, desk.admission.place(Applicant()):
        pass
    assert caught.value.retryable and caught.value.retry_after
    desk.release()
    assert desk.admission.in_flight == 0


def test_who_comes_back_to_an_accepted_run_is_not_turned_away() -> None:
    desk = Desk(2)
    mine = Applicant("run-mine", priority=Priority.INTERACTIVE)
    with desk.admission.place(mine) as place:
        place.accepted = True
    with desk.admission.place(Applicant("run-failed")):
        pass
    while desk.ask(Applicant("run-other", priority=Priority.INTERACTIVE)):
        pass
    assert desk.ask(mine) and desk.ask(mine)
    assert not desk.ask(mine), "but not without end"
    assert not desk.ask(Applicant("run-failed", priority=Priority.INTERACTIVE)), "it was never accepted"
    assert desk.admission.in_flight == 2
