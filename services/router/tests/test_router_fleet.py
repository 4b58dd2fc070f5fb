"""The fleet: what the registry lists and what the instances say, put together."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import Unavailable
from olo_router.breaking.breaker import BreakerPolicy
from olo_router.breaking.breakers import Breakers
from olo_router.choosing import Chooser, Wish
from olo_router.conversations import Conversations
from olo_router.errors import ModelUnavailable, NoModelAvailable
from olo_router.fleet.fleet import Fleet
from olo_router.fleet.member import Presence
from olo_router.learning.learner import Learner
from olo_router.selection.complexity import by_rules
from olo_router.selection.profiles import Profiles
from olo_router.selection.request import Candidate, Request, Selection
from olo_router.types import Attempt, CatalogueUpdate, Departure, Heartbeat, Instance, Model, ModelType, Stamp

LEASE = 6.0


def model(model_id: str, priority: int = 100, *, default: bool = False, enabled: bool = True) -> Model:
    return Model(model_id, ModelType.LLM, priority, default, enabled, 2048, f"llm.{model_id}")


def listed(instance_id: str, model_id: str = "m", *, epoch: int = 1, seq: int = 1, slots: int = 4) -> Instance:
    return Instance(instance_id, model_id, Stamp(epoch, seq), f"{instance_id}:1", slots, 0, False)


def beat(instance_id: str, seq: int, in_flight: int = 0, *, draining: bool = False, epoch: int = 1) -> Heartbeat:
    return Heartbeat(instance_id, "m", Stamp(epoch, seq), in_flight, draining)


class Bench:
    """A fleet with a hand on its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fleet = Fleet(LEASE, 300.0)
        self.breakers = Breakers(BreakerPolicy())
        self.chooser = Chooser(
            self.fleet,
            self.breakers,
            Learner(900.0),
            profiles=Profiles(),
            classifier=by_rules(),
            conversations=Conversations(1800.0),
        )
        self.version = 0
        self.fleet.sweep(self.now, connected=True)

    def tell(
        self,
        *models: tuple[Model, list[Instance]],
        snapshot: bool = True,
        epoch: str = "life-1",
        removed: tuple[str, ...] = (),
    ) -> None:
        self.version += 1
        told = tuple((each, tuple(instances)) for each, instances in models)
        self.fleet.update(CatalogueUpdate(self.version, epoch, snapshot, told, removed), self.now)

    def pass_time(self, seconds: float, *, connected: bool = True) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.5, end)
            self.fleet.sweep(self.now, connected=connected)

    def beat(self, heartbeat: Heartbeat) -> None:
        self.fleet.beat(heartbeat, self.now)

    def first(self, name: str = "m") -> Candidate:
        return self.select(Request(model=name)).candidates[0]

    def select(self, request: Request) -> Selection:
        return self.chooser.choose(Wish(request), self.now, hand_out=True).selection

    def finish(self, instance_id: str, model_id: str = "m") -> bool:
        return self.fleet.finish(Attempt(model_id, instance_id, 1.0))

    def gone(self) -> bool:
        try:
            self.first()
        except ModelUnavailable:
            return True
        return False


def test_nothing_is_chosen_before_the_first_snapshot_nor_long_after_the_registry_was_lost() -> None:
    bench = Bench()
    with pytest.raises(Unavailable):
        bench.select(Request())
    bench.tell((model("m"), [listed("i")]))
    bench.fleet.registry_lost(bench.now)
    for seq in range(2, 100):
        bench.pass_time(3)
        bench.beat(beat("i", seq))
    assert bench.first().load.best_instance_id == "i"
    bench.pass_time(10)
    bench.beat(beat("i", 100))
    with pytest.raises(NoModelAvailable):
        bench.first("")
    assert bench.fleet.age(bench.now) > 300
    bench.tell((model("m"), [listed("i")]))
    assert bench.fleet.age(bench.now) == 0.0
    assert bench.first().load.ready == 1


def test_heartbeats_bring_fresh_load_and_draining() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i"), listed("j")]))
    bench.beat(beat("i", 2, in_flight=3))
    first = bench.first()
    assert (first.load.free_slots, first.load.best_instance_id) == (5, "j")
    bench.beat(beat("j", 2, draining=True))
    first = bench.first()
    assert (first.load.ready, first.load.draining, first.load.best_instance_id) == (1, 1, "i")
    bench.beat(beat("i", 3, draining=True))
    with pytest.raises(ModelUnavailable, match="draining"):
        bench.first()


def test_stale_heartbeats_change_nothing_even_when_the_registry_repeats_itself() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.beat(beat("i", 5, in_flight=2))
    bench.beat(beat("i", 4, in_flight=0))
    bench.tell((model("m", 200), [listed("i", seq=3)]), snapshot=False)
    assert bench.first().load.in_flight == 2


def test_the_silent_are_not_chosen_after_the_lease_and_come_back_with_a_heartbeat() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.pass_time(5.5)
    assert not bench.gone()
    bench.pass_time(0.5)
    assert bench.gone()
    bench.beat(beat("i", 2))
    assert not bench.gone()


def test_the_departed_stay_away_whatever_arrives_late() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.fleet.leave(Departure("i", Stamp(1, 9)))
    bench.beat(beat("i", 8))
    bench.beat(beat("i", 10))
    bench.tell((model("m"), [listed("i", seq=7)]), snapshot=False)
    assert bench.gone()
    bench.tell((model("m"), [listed("i", epoch=2)]), snapshot=False)
    assert not bench.gone()


def test_a_departure_of_an_earlier_start_ends_nothing() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i", epoch=2)]))
    bench.fleet.leave(Departure("i", Stamp(1, 99)))
    assert not bench.gone()


def test_nobody_is_silent_while_the_bus_is_away() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.pass_time(60, connected=False)
    assert not bench.gone()
    bench.pass_time(7)
    assert bench.gone()


def test_a_registry_that_has_just_started_does_not_send_anybody_away() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.fleet.registry_lost(bench.now)
    bench.beat(beat("i", 2))
    bench.tell((model("m"), []), epoch="life-2")
    assert not bench.gone()
    bench.tell((model("m"), [listed("i", seq=3)]), snapshot=False, epoch="life-2")
    bench.tell((model("m"), []), snapshot=False, epoch="life-2")
    assert bench.gone()


def test_whom_only_an_earlier_registry_knew_is_gone_with_its_lease() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.tell((model("m"), []), epoch="life-2")
    bench.pass_time(6)
    assert bench.gone()


def test_models_that_are_missing_from_a_snapshot_or_removed_are_forgotten() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]), (model("n"), [listed("j", "n")]), (model("o"), [listed("k", "o")]))
    bench.tell((model("m"), [listed("i")]), (model("n"), [listed("j", "n")]))
    bench.tell(snapshot=False, removed=("n",))
    selection = bench.select(Request())
    assert [candidate.model.model_id for candidate in selection.candidates] == ["m"]
    assert selection.rejections == ()


def test_policy_that_changes_counts_at_once() -> None:
    bench = Bench()
    bench.tell((model("m", 100), [listed("i")]), (model("n", 50), [listed("j", "n")]))
    assert bench.first("").model.model_id == "m"
    bench.tell((model("n", 50, default=True), [listed("j", "n")]), snapshot=False)
    assert bench.first("").model.model_id == "n"
    bench.tell((model("n", 50, default=True, enabled=False), [listed("j", "n")]), snapshot=False)
    assert bench.first("").model.model_id == "m"


def test_a_burst_spreads_over_instances_and_then_over_models_until_the_next_heartbeat() -> None:
    bench = Bench()
    bench.tell(
        (model("m", 100), [listed("i", slots=2), listed("j", slots=2)]), (model("n", 50), [listed("k", "n", slots=1)])
    )
    taken = [bench.first("") for _ in range(6)]
    assert sorted(candidate.load.best_instance_id for candidate in taken[:4]) == ["i", "i", "j", "j"]
    assert [candidate.model.model_id for candidate in taken[4:]] == ["n", "m"]
    assert taken[5].load.at_capacity
    bench.beat(beat("i", 2, in_flight=0))
    assert bench.first("").load.best_instance_id == "i"


def test_requests_on_their_way_are_forgotten_after_a_lease_where_no_heartbeat_comes() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i", slots=1)]))
    bench.first()
    assert bench.first().load.at_capacity
    bench.pass_time(6.5, connected=False)
    assert not bench.first().load.at_capacity


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["beat", "leave", "list", "sweep", "choose", "finish"]),
            st.sampled_from("ij"),
            st.integers(1, 9),
        ),
        max_size=120,
    )
)
def test_loads_kept_up_to_date_in_steps_equal_loads_counted_anew(steps: list[tuple[str, str, int]]) -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i"), listed("j")]), (model("n"), [listed("k", "n")]))
    for what, instance_id, number in steps:
        if what == "beat":
            bench.beat(beat(instance_id, number, in_flight=number % 5, draining=number % 3 == 0))
        elif what == "leave":
            bench.fleet.leave(Departure(instance_id, Stamp(1, number)))
        elif what == "list":
            bench.tell((model("m"), [listed(instance_id, seq=number)]), snapshot=False, epoch=f"life-{number % 2}")
        elif what == "sweep":
            bench.pass_time(number / 2)
        elif what == "finish":
            bench.finish(instance_id)
        else:
            _choose(bench)
        kept = _loads(bench)
        assert kept == _counted_anew(bench)


def test_callers_one_after_the_other_stay_with_the_default_model() -> None:
    bench = Bench()
    bench.tell((model("m", default=True), [listed("i", slots=2)]), (model("n"), [listed("k", "n", slots=2)]))
    for _ in range(10):
        first = bench.select(Request()).candidates[0]
        assert first.model.model_id == "m"
        bench.finish(first.load.best_instance_id)


def test_an_end_that_nobody_waits_for_changes_nothing() -> None:
    bench = Bench()
    bench.tell((model("m"), [listed("i")]))
    bench.finish("i")
    bench.finish("unknown")
    assert _loads(bench)["m"][3] == 0


def _loads(bench: Bench) -> dict[str, tuple[int, ...]]:
    """Sums of each model, and the free slots of the instance that is offered."""
    members = bench.fleet._members
    loads = {model_id: members.load_of(model_id) for model_id in ("m", "n")}
    return {
        model_id: (load.ready, load.draining, load.capacity, load.in_flight, _free(bench, load.best_instance_id))
        for model_id, load in loads.items()
    }


def _free(bench: Bench, instance_id: str) -> int:
    member = bench.fleet._members._all.get(instance_id)
    return 0 if member is None else member.facts.max_concurrency - member.in_flight - member.pending


def _counted_anew(bench: Bench) -> dict[str, tuple[int, ...]]:
    counted: dict[str, tuple[int, ...]] = {}
    for model_id in ("m", "n"):
        live = [
            member
            for member in bench.fleet._members._all.values()
            if member.facts.model_id == model_id and member.presence is Presence.LIVE
        ]
        ready = [member for member in live if not member.draining]
        counted[model_id] = (
            len(ready),
            len(live) - len(ready),
            sum(member.facts.max_concurrency for member in ready),
            sum(member.in_flight + member.pending for member in ready),
            max((_free(bench, member.facts.instance_id) for member in ready), default=0),
        )
    return counted


def _choose(bench: Bench) -> None:
    with contextlib.suppress(NoModelAvailable):
        bench.select(Request())
