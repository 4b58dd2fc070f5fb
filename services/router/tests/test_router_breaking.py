"""Circuit breakers: each step by hand, and random lives of one against a model of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_router.breaking.breaker import Breaker, BreakerPolicy, State
from olo_router.breaking.breakers import Breakers
from olo_router.types import Attempt

POLICY = BreakerPolicy(failures=3, window_seconds=60, open_seconds=60, probes=1)


def ended(model_id: str, instance_id: str = "i", *, fault: bool = True, duration: float = 0.0) -> Attempt:
    return Attempt(model_id, instance_id, duration, "engine_lost" if fault else "", at_fault=fault)


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(at - 1, at, "engine_lost")
    return breaker


def test_three_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(POLICY)
    breaker.failed(0, 1, "engine_lost")
    breaker.failed(0, 2, "engine_lost")
    breaker.succeeded(0, 3)
    breaker.failed(0, 4, "engine_lost")
    breaker.failed(0, 5, "engine_lost")
    assert breaker.state(5) is State.CLOSED
    breaker.failed(0, 6, "engine_lost")
    assert breaker.state(6) is State.OPEN
    assert not breaker.allows(65)


def test_failures_far_apart_are_not_in_a_row() -> None:
    breaker = Breaker(POLICY)
    for now in (0, 61, 122, 183, 244):
        breaker.failed(now - 1, now, "engine_lost")
    assert breaker.state(244) is State.CLOSED


def test_half_open_lets_one_probe_pass_at_a_time_and_its_success_closes_it() -> None:
    breaker = opened()
    assert breaker.state(60) is State.HALF_OPEN
    assert breaker.allows(60)
    breaker.probe(60)
    assert not breaker.allows(61)
    breaker.succeeded(60, 62)
    assert breaker.state(62) is State.CLOSED
    assert breaker.failures == 0


def test_a_probe_that_fails_opens_it_for_another_minute() -> None:
    breaker = opened()
    breaker.probe(60)
    breaker.failed(60, 61, "engine_lost")
    assert breaker.state(120) is State.OPEN
    assert breaker.open_for(120) == 1.0
    assert breaker.allows(121)


def test_a_probe_of_which_nothing_is_heard_does_not_keep_it_half_open_for_ever() -> None:
    breaker = opened()
    breaker.probe(60)
    assert not breaker.allows(119)
    assert breaker.allows(120)


def test_a_probe_that_was_a_wrong_request_makes_room_for_another() -> None:
    breakers = Breakers(POLICY)
    for _ in range(3):
        breakers.finished(ended("m"), 0.0)
    breakers.probe("m", 60.0)
    breakers.finished(Attempt("m", "i", 70.0, "context_too_long"), 61.0)
    assert not breakers.gates(61.0)["m"].probe
    breakers.finished(Attempt("m", "i", 0.5, "context_too_long"), 61.0)
    assert breakers.gates(61.0)["m"].probe


def test_what_began_before_it_opened_is_no_news() -> None:
    breaker = opened()
    breaker.succeeded(-5, 10)
    assert breaker.state(10) is State.OPEN
    breaker.failed(-5, 61, "engine_lost")
    assert breaker.state(61) is State.HALF_OPEN


def test_a_success_that_another_router_has_tried_for_closes_it_here_too() -> None:
    breaker = opened()
    breaker.succeeded(30, 31)
    assert breaker.state(31) is State.CLOSED


class _Reference:
    """The same rules, written as plainly as can be: the list of everything that happened."""

    def __init__(self) -> None:
        self.opened: float | None = None
        self.row: list[float] = []
        self.probes: list[float] = []

    def state(self, now: float) -> State:
        if self.opened is None:
            return State.CLOSED
        return State.OPEN if now < self.opened + 60 else State.HALF_OPEN

    def step(self, what: str, began: float, now: float) -> None:
        state = self.state(now)
        if what == "probe" and state is State.HALF_OPEN:
            self.probes.append(now)
        if what == "success" and (self.opened is None or began >= self.opened):
            self.opened, self.row, self.probes = None, [], []
        if what == "nothing" and self.opened is not None and began >= self.opened:
            self.probes = self.probes[1:]
        if what == "failure" and state is State.CLOSED:
            if self.row and now - self.row[-1] > 60:
                self.row = []
            self.row.append(now)
            if len(self.row) >= 3:
                self.opened, self.probes = now, []
        if what == "failure" and state is State.HALF_OPEN and self.opened is not None and began >= self.opened:
            self.opened, self.probes = now, []

    def allows(self, now: float) -> bool:
        state = self.state(now)
        waiting = [since for since in self.probes if now - since < 60]
        return state is State.CLOSED or (state is State.HALF_OPEN and not waiting)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["failure", "failure", "success", "probe", "nothing", "wait"]),
        st.integers(0, 70),
        st.integers(0, 40),
    ),
    max_size=60,
)


@given(STEPS)
def test_any_life_of_a_breaker_follows_the_rules(steps: list[tuple[str, int, int]]) -> None:
    breaker, reference, now = Breaker(POLICY), _Reference(), 0.0
    for what, pause, duration in steps:
        now += pause / 2
        began = now - duration / 2
        if what == "failure":
            breaker.failed(began, now, "engine_lost")
        elif what == "success":
            breaker.succeeded(began, now)
        elif what == "nothing":
            breaker.told_nothing(began)
        elif what == "probe" and breaker.allows(now):
            breaker.probe(now)
        if what != "probe" or reference.allows(now):
            reference.step(what, began, now)
        assert breaker.state(now) is reference.state(now)
        assert breaker.allows(now) is reference.allows(now)
        assert (breaker.open_for(now) > 0) is (breaker.state(now) is State.OPEN)


def test_a_restart_forgets_what_is_open_and_learns_it_again_from_as_many_failures() -> None:
    breakers = Breakers(POLICY)
    for now in (1.0, 2.0, 3.0):
        breakers.finished(ended("m"), now)
    restarted = Breakers(POLICY)
    assert restarted.gates(3.0) == {}
    for now in (4.0, 5.0, 6.0):
        restarted.finished(ended("m"), now)
    assert restarted.gates(6.0)


def test_a_model_with_one_broken_instance_stays_while_others_succeed() -> None:
    breakers = Breakers(POLICY)
    for now in range(6):
        breakers.finished(ended("m", "bad"), float(now))
        breakers.finished(ended("m", "good", fault=False), now + 0.5)
    assert breakers.open_instances(6.0) == {"bad"}
    assert breakers.gates(6.0) == {}


def test_a_crash_is_one_failure_however_many_requests_it_hits() -> None:
    breakers = Breakers(POLICY)
    for crash in (10.0, 20.0, 30.0):
        assert breakers.gates(crash) == {}
        for late in range(8):
            breakers.finished(ended("m", duration=5.0), crash + late / 100)
    assert breakers.gates(31.0)
    assert breakers.open_instances(31.0) == {"i"}


def test_crashes_of_several_instances_are_several_failures_of_their_model() -> None:
    breakers = Breakers(POLICY)
    for number in range(3):
        breakers.finished(ended("m", f"i{number}", duration=5.0), 10.0)
    assert breakers.gates(11.0)
    assert breakers.open_instances(11.0) == set()


def test_a_breaker_of_one_model_never_shuts_another() -> None:
    breakers = Breakers(POLICY)
    for _ in range(3):
        breakers.finished(ended("m"), 1.0)
    gate = breakers.gates(1.0)["m"]
    assert (gate.probe, gate.open_for) == (False, 60.0)
    assert set(breakers.gates(1.0)) == {"m"}
    assert breakers.gates(61.0)["m"].probe
    breakers.probe("m", 61.0)
    assert not breakers.gates(61.0)["m"].probe


def test_wrong_requests_open_nothing() -> None:
    breakers = Breakers(POLICY)
    for _ in range(10):
        breakers.finished(Attempt("m", "i", 1.0, "context_too_long"), 1.0)
    assert list(breakers.views(1.0)) == []


def test_routers_that_hear_the_same_agree_though_their_clocks_do_not() -> None:
    one, other = Breakers(POLICY), Breakers(POLICY)
    for now in (10.0, 11.0, 12.0):
        one.finished(ended("m"), now)
        other.finished(ended("m"), now + 5000.2)
    for later in (13.0, 71.9, 72.0, 80.0):
        assert one.gates(later)["m"].probe == other.gates(later + 5000.2)["m"].probe
    one.finished(ended("m", fault=False), 81.0)
    other.finished(ended("m", fault=False), 5081.2)
    assert one.gates(82.0) == other.gates(5082.2) == {}


def test_split_views_come_together_with_the_next_success() -> None:
    full, partial = Breakers(POLICY), Breakers(POLICY)
    for now in (1.0, 2.0, 3.0):
        full.finished(ended("m"), now)
    partial.finished(ended("m"), 3.0)
    assert full.gates(4.0)
    assert not partial.gates(4.0)
    # The one that has heard less sends a request; its end is heard by both.
    for breakers in (full, partial):
        breakers.finished(ended("m", fault=False), 10.0)
    assert full.gates(10.0) == partial.gates(10.0) == {}


def test_idle_breakers_are_forgotten() -> None:
    breakers = Breakers(POLICY)
    for number in range(100):
        breakers.finished(ended(f"m{number}"), 0.0)
    breakers.tidy(30.0)
    assert len(list(breakers.views(30.0))) == 200
    breakers.tidy(61.0)
    assert list(breakers.views(61.0)) == []


@pytest.mark.parametrize("instance_id", ["i", ""])
def test_what_is_shown(instance_id: str) -> None:
    breakers = Breakers(POLICY)
    for _ in range(3):
        breakers.finished(ended("m"), 1.0)
    view = next(each for each in breakers.views(2.0) if each.instance_id == instance_id)
    assert (view.state, view.failures, view.open_for, view.last_failure) == (State.OPEN, 3, 59.0, "engine_lost")
