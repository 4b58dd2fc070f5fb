"""What is learned of models, how it fades, and how it comes back after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_router.learning.decay import DecayedMean, DecayedRate
from olo_router.learning.learner import Key, Learner
from olo_router.learning.sizes import PromptSize, size_of
from olo_router.types import Attempt

HALF_LIFE = 100.0
GOOD = Attempt("m", "i", 2.0, first_token=0.2, generation=1.19, prompt_tokens=100, completion_tokens=100)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1000)), min_size=1, max_size=50))
def test_a_mean_is_the_sum_of_all_that_was_seen_each_with_what_is_left_of_it(seen: list[tuple[float, float]]) -> None:
    mean, now, times = DecayedMean(), 0.0, []
    for pause, value in seen:
        now += pause
        times.append((now, value))
        mean.add(value, now, HALF_LIFE)
    left = [(0.5 ** ((now - at) / HALF_LIFE), value) for at, value in times]
    weight = sum(part for part, _ in left)
    assert mean.weight_at(now, HALF_LIFE) == pytest.approx(weight)
    assert mean.mean == pytest.approx(sum(part * value for part, value in left) / weight, abs=1e-9)


def test_after_a_half_life_an_observation_counts_half() -> None:
    mean = DecayedMean()
    mean.add(1.0, 0.0, HALF_LIFE)
    mean.add(4.0, 100.0, HALF_LIFE)
    assert mean.mean == pytest.approx((0.5 * 1 + 4) / 1.5)


def test_a_steady_rate_is_told_right_from_the_start() -> None:
    rate = DecayedRate(began=0.0)
    for second in range(1, 301):
        rate.add(50, float(second), HALF_LIFE)
        if second in (10, 100, 300):
            assert rate.per_second(float(second), HALF_LIFE) == pytest.approx(50, rel=0.06)


def test_latency_and_errors_are_learned_by_prompt_size() -> None:
    learner = Learner(HALF_LIFE)
    assert learner.estimate("m", PromptSize.SHORT) is None
    learner.finished(GOOD, 0.0)
    learner.finished(replace(GOOD, prompt_tokens=5000, first_token=3.0, generation=3.99), 0.0)
    short, long = learner.estimate("m", PromptSize.SHORT), learner.estimate("m", PromptSize.LONG)
    assert short is not None
    assert long is not None
    assert (short.first_token, short.per_token) == pytest.approx((0.2, 0.01))
    assert long.first_token == 3.0
    assert short.seconds(128) == pytest.approx(1.48)
    # A size that was never measured goes by the nearest one.
    assert learner.estimate("m", PromptSize.MEDIUM) == short


def test_failures_of_the_worker_count_for_every_size_and_wrong_requests_for_none() -> None:
    learner = Learner(HALF_LIFE)
    learner.finished(GOOD, 0.0)
    learner.finished(Attempt("m", "i", 1.0, "engine_lost", at_fault=True), 0.0)
    learner.finished(Attempt("m", "i", 1.0, "context_too_long"), 0.0)
    estimate = learner.estimate("m", PromptSize.SHORT)
    assert estimate is not None
    assert estimate.error_rate == 0.5


def test_a_restarted_learner_knows_what_was_stored_less_what_has_faded() -> None:
    before, after = Learner(HALF_LIFE), Learner(HALF_LIFE)
    for _ in range(8):
        before.finished(GOOD, 50.0)
    stored = before.changed(50.0, 1000)
    assert {each.key for each in stored} == {Key("m", "i", PromptSize.SHORT), Key("m", "", PromptSize.SHORT)}
    # The clock of the new process has its own beginning.
    for each in stored:
        after.recall(each, age=100.0, now=7.0)
    assert after.estimate("m", PromptSize.SHORT) == before.estimate("m", PromptSize.SHORT)
    after.finished(replace(GOOD, first_token=0.7), 7.0)
    estimate = after.estimate("m", PromptSize.SHORT)
    assert estimate is not None
    assert estimate.first_token == pytest.approx((4 * 0.2 + 0.7) / 5)
    assert after.changed(7.0, 10)


def test_what_is_very_old_is_not_recalled_and_a_clock_that_went_back_makes_nothing_heavier() -> None:
    before, after = Learner(HALF_LIFE), Learner(HALF_LIFE)
    before.finished(GOOD, 0.0)
    stored = before.changed(0.0, 10)
    for each in stored:
        after.recall(each, age=100_000.0, now=0.0)
    assert after.estimate("m", PromptSize.SHORT) is None
    for each in stored:
        after.recall(each, age=-5000.0, now=0.0)
    after.finished(replace(GOOD, first_token=0.6), 0.0)
    estimate = after.estimate("m", PromptSize.SHORT)
    assert estimate is not None
    assert estimate.first_token == pytest.approx((0.2 + 0.6) / 2)


def test_what_could_not_be_stored_is_given_again() -> None:
    learner = Learner(HALF_LIFE)
    learner.finished(GOOD, 0.0)
    first = learner.changed(0.0, 1000)
    assert learner.changed(0.0, 1000) == []
    learner.not_stored(first)
    assert {each.key for each in learner.changed(0.0, 1000)} == {each.key for each in first}


def test_faded_keys_are_forgotten_and_there_are_never_too_many() -> None:
    learner = Learner(HALF_LIFE, max_keys=10)
    for number in range(50):
        learner.finished(replace(GOOD, instance_id=f"i{number}"), 0.0)
    assert len(learner._stats) == 10
    learner.tidy(HALF_LIFE * 20)
    assert learner._stats == {}


@pytest.mark.parametrize(
    ("tokens", "size"),
    [(0, "short"), (511, "short"), (512, "medium"), (4095, "medium"), (4096, "long"), (10**6, "long")],
)
def test_sizes(tokens: int, size: str) -> None:
    assert size_of(tokens).value == size
