"""The router as a whole, with a hand on its clock: what it hears, what it decides, what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

import olo_events
from olo.common.v1.common_pb2 import MODEL_TYPE_LLM
from olo.router.v1.router_service_pb2 import SelectModelsRequest
from olo_common.errors import InvalidField, Unavailable
from olo_router.adapters.nats_feed import _attempt
from olo_router.breaking.breaker import BreakerPolicy, State
from olo_router.breaking.breakers import Breakers
from olo_router.choosing import Chooser, Decision, Wish
from olo_router.conversations import Conversations
from olo_router.errors import ModelUnavailable, NoModelAvailable
from olo_router.fleet.fleet import Fleet
from olo_router.learning.learner import Learner
from olo_router.routing import Routing
from olo_router.selection.complexity import Prompt, by_rules
from olo_router.selection.profiles import Profiles
from olo_router.selection.request import Reason, Request
from olo_router.servicer import RouterServicer
from olo_router.types import Attempt, Backlog, CatalogueUpdate, Heartbeat, Instance, Model, ModelType, Stamp

CHEAP = Model("cheap", ModelType.LLM, 200, False, True, 4096, "llm.cheap", quality=0.2, input_cost=0.0001)
GOOD = Model("good", ModelType.LLM, 100, False, True, 4096, "llm.good", quality=0.9, input_cost=0.01)


class Bench:
    """A router among instances that say what the test says."""

    def __init__(self, *, default: str = "default") -> None:
        self.now = 100.0
        self.seq = 1
        self.fleet = Fleet(6.0, 300.0)
        self.breakers = Breakers(BreakerPolicy())
        self.learner = Learner(900.0)
        self.chooser = Chooser(
            self.fleet,
            self.breakers,
            self.learner,
            profiles=Profiles(default=default),
            classifier=by_rules(),
            conversations=Conversations(1800.0, capacity=2),
        )

        async def told() -> None: ...

        self.routing = Routing(
            self.fleet, self.breakers, self.learner, self.chooser, clock=lambda: self.now, on_snapshot=told
        )
        self.routing.sweep(connected=True)

    async def knows(self, *models: Model, slots: int = 4) -> None:
        self.seq += 1
        told = tuple(
            (
                model,
                tuple(
                    Instance(f"{model.model_id}-{n}", model.model_id, Stamp(1, self.seq), f"{n}:1", slots, 0, False)
                    for n in range(2)
                ),
            )
            for model in models
        )
        await self.routing.updated(CatalogueUpdate(self.seq, "life", True, told))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1.0, end)
            self.seq += 1
            for model_id in ("cheap", "good"):
                for n in range(2):
                    stamp = Stamp(1, self.seq)
                    self.routing.heartbeat(Heartbeat(f"{model_id}-{n}", model_id, stamp, 0, False))
            self.routing.sweep(connected=True)

    def first(self, **wish: object) -> str:
        return self.decide(**wish).selection.candidates[0].model.model_id

    def decide(self, **wish: object) -> Decision:
        return self.routing.select(Wish(Request(), **wish))  # type: ignore[arg-type]

    def fails(self, model_id: str, number: int = 0) -> None:
        self.routing.finished(Attempt(model_id, f"{model_id}-{number}", 0.0, "engine_lost", at_fault=True))

    def answers(self, model_id: str, seconds: float = 1.0) -> None:
        self.routing.finished(
            Attempt(
                model_id,
                f"{model_id}-0",
                seconds,
                first_token=seconds / 10,
                generation=seconds,
                prompt_tokens=10,
                completion_tokens=100,
            )
        )


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.knows(CHEAP, GOOD)
    return bench


async def test_auto_goes_by_the_complexity_of_the_prompt_and_says_so(bench: Bench) -> None:
    simple = bench.decide(profile="auto", prompt=Prompt("What is the capital of Peru?"))
    hard = bench.decide(profile="auto", prompt=Prompt("Prove it, compare both proofs and justify your choice."))
    assert (simple.profile, simple.selection.candidates[0].model) == ("budget", CHEAP)
    assert (hard.profile, hard.selection.candidates[0].model) == ("quality", GOOD)
    assert simple.complexity is not None
    assert hard.complexity is not None
    assert hard.complexity.is_complex
    assert bench.decide().complexity is None


async def test_a_profile_that_does_not_exist_is_the_callers_error(bench: Bench) -> None:
    with pytest.raises(InvalidField) as caught:
        bench.decide(profile="fast")
    assert caught.value.field == "profile"


async def test_the_operator_may_make_another_profile_the_default() -> None:
    bench = Bench(default="quality")
    await bench.knows(CHEAP, GOOD)
    assert bench.first() == "good"
    assert bench.first(profile="default") == "cheap"


async def test_embedding_models_are_chosen_by_policy_alone() -> None:
    bench = Bench(default="quality")
    models = [
        replace(each, model_type=ModelType.EMBEDDING, embedding_dimension=4, priority=priority)
        for each, priority in ((CHEAP, 10), (GOOD, 5))
    ]
    await bench.knows(*models)
    decision = bench.routing.select(Wish(Request(model_type=ModelType.EMBEDDING)))
    assert decision.profile == "default"
    assert decision.selection.candidates[0].model.model_id == "cheap"


async def test_to_explain_changes_nothing(bench: Bench) -> None:
    before = bench.routing.explain(Wish(Request()))
    for _ in range(20):
        assert bench.routing.explain(Wish(Request(), conversation_id="c")) == before
    for _ in range(8):
        assert bench.first() == "cheap"
    assert bench.first() == "good"


async def test_what_is_learned_moves_a_ranking_within_a_second(bench: Bench) -> None:
    assert bench.first(profile="speed") == "cheap"
    for _ in range(5):
        bench.answers("cheap", 60.0)
        bench.answers("good", 0.5)
    bench.pass_time(1.0)
    assert bench.first(profile="speed") == "good"
    name, ranking, version, age = bench.routing.rankings("speed", ModelType.LLM, "")
    assert (name, [model.model_id for model in ranking.ordered]) == ("speed", ["good", "cheap"])
    assert (version, age) == (bench.fleet.version, 0.0)


async def test_policy_that_changes_moves_a_ranking_at_once(bench: Bench) -> None:
    assert bench.first(profile="quality") == "good"
    await bench.knows(CHEAP, replace(GOOD, quality=0.1))
    assert bench.first(profile="quality") == "cheap"


async def test_a_conversation_of_one_tenant_says_nothing_of_another_s_with_the_same_id(bench: Bench) -> None:
    bench.routing.select(Wish(Request(tenant="acme"), profile="quality", conversation_id="1"))
    chosen = bench.routing.select(Wish(Request(tenant="other"), conversation_id="1")).selection.candidates[0]
    assert (chosen.model.model_id, chosen.reason) == ("cheap", Reason.PRIORITY)
    again = bench.routing.select(Wish(Request(tenant="acme"), conversation_id="1")).selection.candidates[0]
    assert (again.model.model_id, again.reason) == ("good", Reason.CONVERSATION)


async def test_conversations_stay_and_the_oldest_are_forgotten(bench: Bench) -> None:
    assert bench.first(profile="quality", conversation_id="one") == "good"
    assert bench.first(conversation_id="one") == "good"
    bench.first(conversation_id="two")
    bench.first(conversation_id="three")
    assert bench.first(conversation_id="one") == "cheap"


async def test_three_failures_take_an_instance_and_its_model_away_for_a_minute_then_one_may_try(bench: Bench) -> None:
    for _ in range(3):
        bench.fails("cheap")
    decision = bench.decide()
    assert decision.selection.candidates[0].model.model_id == "good"
    assert {each.filter for each in decision.selection.rejections} == {"circuit_breaker"}
    states = {view.instance_id: view.state for view in bench.routing.status().breakers}
    assert states == {"": State.OPEN, "cheap-0": State.OPEN}
    assert {each.instance_id: each.state for each in bench.routing.status().instances}["cheap-0"] == "broken"
    with pytest.raises(ModelUnavailable):
        bench.routing.select(Wish(Request(model="cheap")))
    bench.pass_time(61)
    assert bench.first() == "cheap"
    assert bench.first() == "good"
    bench.answers("cheap")
    assert [bench.first(), bench.first()] == ["cheap", "cheap"]
    assert bench.routing.status().breakers == ()


async def test_a_broken_instance_leaves_the_others_of_its_model_in_use(bench: Bench) -> None:
    for _ in range(4):
        bench.fails("cheap", 1)
        bench.answers("cheap")
    load = bench.decide().selection.candidates[0].load
    assert (load.ready, load.held, load.best_instance_id) == (1, 1, "cheap-0")


async def test_wrong_requests_take_nobody_away(bench: Bench) -> None:
    for _ in range(10):
        bench.routing.finished(Attempt("cheap", "cheap-0", 0.1, "context_too_long"))
    assert bench.first() == "cheap"
    assert bench.routing.status().breakers == ()


async def test_events_of_instances_that_nobody_knows_leave_no_trace(bench: Bench) -> None:
    for n in range(100):
        bench.routing.finished(Attempt("cheap", f"ghost-{n}", 0.1, "engine_lost", at_fault=True))
        bench.routing.finished(Attempt(f"ghost-{n}", "cheap-0", 0.1, "engine_lost", at_fault=True))
    assert bench.first() == "cheap"
    assert bench.routing.learned(1000) == []


async def test_without_the_registry_the_last_snapshot_serves_for_its_time_and_then_nothing_does(bench: Bench) -> None:
    bench.routing.registry_lost()
    bench.pass_time(299)
    assert bench.first() == "cheap"
    assert bench.decide().age == 299.0
    bench.pass_time(2)
    with pytest.raises(NoModelAvailable, match="registry has been away"):
        bench.first()
    with pytest.raises(NoModelAvailable):
        bench.routing.rankings("", ModelType.LLM, "")
    status = bench.routing.status()
    assert "registry has been away" in status.problem
    assert status.age == 301.0
    await bench.knows(CHEAP)
    assert bench.first() == "cheap"
    assert bench.routing.status().problem == ""


async def test_a_router_that_knows_nothing_yet_says_so() -> None:
    bench = Bench()
    with pytest.raises(Unavailable):
        bench.first()
    assert "does not know the models yet" in bench.routing.status().problem


async def test_a_clock_that_jumps_ahead_ends_no_lease_and_opens_no_breaker(bench: Bench) -> None:
    bench.fails("cheap")
    bench.now += 100_000.0
    bench.routing.sweep(connected=True)
    assert bench.first() == "cheap"
    bench.fails("cheap")
    bench.fails("cheap")
    assert bench.first() == "cheap"


async def test_two_routers_with_split_views_choose_apart_and_agree_again_when_both_hear(bench: Bench) -> None:
    other = Bench()
    await other.knows(CHEAP, GOOD)
    for _ in range(3):
        bench.fails("cheap")
    assert (bench.first(), other.first()) == ("good", "cheap")
    # The request that the other has sent ends well; both hear of it, and it began after the breaker had opened.
    for each in (bench, other):
        each.pass_time(3.0)
        each.answers("cheap", 1.0)
    assert (bench.first(), other.first()) == ("cheap", "cheap")


async def test_only_full_text_models_may_have_a_backlog(bench: Bench) -> None:
    assert bench.routing.full_queues() == {}
    for _ in range(8):
        bench.first()
    assert bench.routing.full_queues() == {"cheap": "llm.cheap"}
    bench.answers("good", 10.0)
    bench.answers("cheap", 10.0)
    bench.first()
    bench.routing.waiting({"cheap": Backlog(15, 3.5)})
    wish = Wish(Request(model="cheap", max_candidates=5))
    assert bench.routing.explain(wish).selection.candidates[0].wait == pytest.approx(16 / 8 * 12.6, rel=0.05)


@pytest.mark.parametrize(
    ("code", "reason", "at_fault"),
    [
        (0, "", False),
        (3, "context_too_long", False),
        (8, "queue_full", False),
        (1, "cancelled", False),
        (4, "deadline_exceeded", False),
        (13, "engine_lost", True),
        (14, "upstream_unavailable", True),
        (14, "worker_stopping", False),
        (0, "somebody_older", False),
    ],
)
def test_whose_fault_a_failure_is_goes_by_its_code(code: int, reason: str, at_fault: bool) -> None:
    event = olo_events.AttemptFinished(model_id="m", instance_id="i", failure_reason=reason, failure_code=code)
    attempt = _attempt(event)
    assert (attempt.at_fault, attempt.succeeded) == (at_fault, not reason)


def test_events_out_of_range_are_refused() -> None:
    for field in ("duration_ms", "first_token_ms", "prompt_tokens"):
        event = olo_events.AttemptFinished(model_id="m", instance_id="i", **{field: 2**31})
        with pytest.raises(ValueError, match="out of range"):
            _attempt(event)


async def test_models_that_are_asked_for_in_vain_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is all that shows a request that waits for a model with no instance, whose queue is empty."""
    bench, counted = Bench(), []
    await bench.knows(CHEAP)
    monkeypatch.setattr("olo_router.servicer.UNSERVED", SimpleNamespace(add=lambda **labels: counted.append(labels)))
    servicer, context = RouterServicer(bench.routing), cast("Any", None)
    await servicer.SelectModels(SelectModelsRequest(model_type=MODEL_TYPE_LLM, model="cheap"), context)
    await bench.routing.updated(CatalogueUpdate(bench.seq + 1, "life", True, ((CHEAP, ()),)))
    with pytest.raises(ModelUnavailable):
        await servicer.SelectModels(SelectModelsRequest(model_type=MODEL_TYPE_LLM, model="cheap"), context)
    with pytest.raises(NoModelAvailable):
        await servicer.SelectModels(SelectModelsRequest(model_type=MODEL_TYPE_LLM), context)
    assert counted == [{"model": "cheap"}, {"model": ""}]
