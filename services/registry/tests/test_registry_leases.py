"""Leases: whatever the order, the dead stay dead and the living stay alive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from olo_registry.leases.instance import Instance
from olo_registry.leases.table import Leases, Outcome
from olo_registry.types import Departure, HardwareType, Heartbeat, ModelType, Stamp

LEASE = 6.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def instance(epoch: int = 1, seq: int = 1, instance_id: str = "i", model_id: str = "m") -> Instance:
    return Instance(
        instance_id, model_id, ModelType.LLM, "127.0.0.1:1", f"llm.{model_id}", 4, 2048, 0, HardwareType.CPU, NOW,
        Stamp(epoch, seq), 0, False,
    )  # fmt: skip


def heartbeat(epoch: int, seq: int, in_flight: int = 0, draining: bool = False, model_id: str = "m") -> Heartbeat:
    return Heartbeat("i", model_id, Stamp(epoch, seq), in_flight, draining)


def departure(epoch: int, seq: int) -> Departure:
    return Departure("i", Stamp(epoch, seq))


Event = Instance | Heartbeat | Departure


def deliver(leases: Leases, event: Event, now: float = 0.0) -> Outcome:
    if isinstance(event, Instance):
        return leases.announce(event, now)
    if isinstance(event, Heartbeat):
        return leases.beat(event, now)
    return leases.leave(event, now)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """Lives of one instance id, as a worker leads them: announced, beating, perhaps announced again, perhaps left."""
    lives: list[list[Event]] = []
    for epoch in range(1, draw(st.integers(1, 3)) + 1):
        life: list[Event] = [instance(epoch, 1)]
        for seq in range(2, 2 + draw(st.integers(0, 5))):
            life.append(instance(epoch, seq) if draw(st.booleans()) else heartbeat(epoch, seq, in_flight=seq))
        if draw(st.booleans()):
            life.append(departure(epoch, len(life) + 1))
        lives.append(life)
    return lives


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[list[Event]], list[Event]]:
    """A history, and what of it arrives: shuffled, doubled, with losses."""
    lives = draw(histories())
    events = [event for life in lives for event in life]
    arriving = draw(st.lists(st.sampled_from(events), min_size=1, max_size=30))
    return lives, arriving


@given(deliveries())
def test_a_departure_that_arrived_is_final_for_all_that_came_before_it(
    case: tuple[list[list[Event]], list[Event]],
) -> None:
    _, arriving = case
    leases = Leases(LEASE)
    for event in arriving:
        deliver(leases, event)
    live = leases.get("i")
    departures = [event.stamp for event in arriving if isinstance(event, Departure)]
    assert live is None or all(live.stamp > stamp for stamp in departures)


@given(deliveries())
def test_the_living_are_listed_once_their_announcement_has_arrived(case: tuple[list[list[Event]], list[Event]]) -> None:
    lives, arriving = case
    leases = Leases(LEASE)
    for event in arriving:
        deliver(leases, event)
    last_life = lives[-1]
    announced = any(isinstance(event, Instance) and event.stamp.epoch == len(lives) for event in arriving)
    if announced and not isinstance(last_life[-1], Departure):
        live = leases.get("i")
        assert live is not None
        assert live.stamp.epoch == len(lives)


@given(deliveries())
def test_the_table_agrees_with_a_model_that_only_knows_the_newest_word(
    case: tuple[list[list[Event]], list[Event]],
) -> None:
    _, arriving = case
    leases = Leases(LEASE)
    newest: Stamp | None = None
    alive = False
    for event in arriving:
        knows = alive and newest is not None and newest.epoch == event.stamp.epoch
        if newest is None or event.stamp > newest:
            if isinstance(event, Instance):
                newest, alive = event.stamp, True
            elif isinstance(event, Departure):
                newest, alive = event.stamp, False
            elif knows:
                newest = event.stamp
        deliver(leases, event)
        live = leases.get("i")
        assert (live is not None) == alive
        assert live is None or live.stamp == newest


@given(st.lists(st.tuples(st.floats(0, 9), st.booleans()), max_size=20))
def test_an_instance_lives_exactly_one_lease_after_its_last_word(steps: list[tuple[float, bool]]) -> None:
    leases, now, heard, alive = Leases(LEASE), 0.0, 0.0, True
    leases.announce(instance(), now)
    for seq, (pause, beats) in enumerate(steps, start=2):
        now += pause
        if now >= heard + LEASE:
            alive = False
        leases.expire(now)
        if beats:
            outcome = leases.beat(heartbeat(1, seq), now)
            assert outcome is (Outcome.RENEWED if alive else Outcome.UNKNOWN)
            heard = now if alive else heard
        assert (leases.get("i") is not None) == alive


def test_a_late_announcement_of_before_the_end_brings_nothing_back() -> None:
    leases = Leases(LEASE)
    assert leases.leave(departure(1, 3), 0) is Outcome.UNKNOWN
    assert leases.announce(instance(1, 1), 0) is Outcome.STALE
    assert leases.announce(instance(2, 1), 0) is Outcome.CHANGED


def test_what_has_expired_needs_a_newer_announcement() -> None:
    leases = Leases(LEASE)
    leases.announce(instance(1, 5), 0)
    assert [gone.instance_id for gone in leases.expire(LEASE)] == ["i"]
    assert leases.announce(instance(1, 5), LEASE) is Outcome.STALE
    assert leases.beat(heartbeat(1, 6), LEASE) is Outcome.UNKNOWN
    assert leases.announce(instance(1, 7), LEASE) is Outcome.CHANGED


def test_an_end_is_forgotten_in_time_so_that_a_clock_set_back_does_not_lock_out_for_ever() -> None:
    leases = Leases(LEASE)
    leases.leave(departure(9, 1), 0)
    assert leases.announce(instance(1, 1), 1) is Outcome.STALE
    leases.expire(10 * LEASE)
    assert leases.announce(instance(1, 1), 10 * LEASE) is Outcome.CHANGED


def test_draining_changes_and_load_only_renews() -> None:
    leases = Leases(LEASE)
    leases.announce(instance(), 0)
    assert leases.beat(heartbeat(1, 2, in_flight=3), 0) is Outcome.RENEWED
    assert leases.beat(heartbeat(1, 3, draining=True), 0) is Outcome.CHANGED
    live = leases.get("i")
    assert live is not None
    assert live.draining
    assert live.in_flight == 0


def test_a_heartbeat_of_another_start_or_model_is_of_an_unknown_instance() -> None:
    leases = Leases(LEASE)
    leases.announce(instance(), 0)
    assert leases.beat(heartbeat(2, 1), 0) is Outcome.UNKNOWN
    assert leases.beat(heartbeat(1, 2, model_id="other"), 0) is Outcome.UNKNOWN


def test_saying_the_same_again_keeps_the_time_of_the_announcement() -> None:
    leases = Leases(LEASE)
    leases.announce(instance(1, 1), 0)
    later = replace(instance(1, 2), announce_time=datetime(2027, 1, 1, tzinfo=UTC))
    assert leases.announce(later, 1) is Outcome.RENEWED
    live = leases.get("i")
    assert live is not None
    assert live.announce_time == NOW


def test_an_instance_that_moves_to_another_model_leaves_the_first() -> None:
    leases = Leases(LEASE)
    leases.announce(instance(1, 1), 0)
    leases.announce(instance(2, 1, model_id="other"), 0)
    assert leases.of_model("m") == []
    assert [live.instance_id for live in leases.of_model("other")] == ["i"]
