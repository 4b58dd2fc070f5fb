"""Facts about our models: kept when a source is away or drifts, decided by people where doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from olo_common.errors import Unavailable
from olo_registry.benchmarks.facts import Link, Record, Source, SourceState
from olo_registry.catalogue.entry import PolicyChange
from olo_registry.errors import ModelNotFound, RecordNotFound, SourceDrifted
from olo_registry.intelligence import Intelligence
from olo_registry.types import Announcement, HardwareType, ModelType, Stamp

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
PRICES = (
    Record("meta-llama/llama-3.1-8b-instruct", (LLAMA,), input_cost=0.02, output_cost=0.05),
    Record("mistralai/mistral-7b-instruct-v0.3", input_cost=0.1, output_cost=0.1),
)
RATINGS = (Record("llama-3.1-8b-instruct", elo=1300.0), Record("other", elo=1100.0), Record("third", elo=1200.0))


@dataclass
class FakePublisher:
    records: tuple[Record, ...] = ()
    error: Exception | None = None
    asked: list[list[str]] = field(default_factory=list)

    async def fetch(self, last: SourceState, wanted: Sequence[str]) -> SourceState | None:
        self.asked.append(list(wanted))
        if self.error is not None:
            raise self.error
        return None if self.records == last.records else replace(last, records=self.records)


@dataclass
class FakeBenchmarkStore:
    states: dict[Source, SourceState] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    async def load_states(self) -> list[SourceState]:
        return list(self.states.values())

    async def save_state(self, state: SourceState) -> None:
        self.states[state.source] = state

    async def load_links(self) -> list[Link]:
        return self.links

    async def save_link(self, link: Link) -> None:
        self.links.append(link)


@dataclass
class Desk:
    bench: Any
    prices: FakePublisher
    ratings: FakePublisher
    hub: FakePublisher
    store: FakeBenchmarkStore
    intelligence: Intelligence


@pytest.fixture
def desk(bench: Any) -> Desk:
    prices, ratings, hub = FakePublisher(PRICES), FakePublisher(RATINGS), FakePublisher()
    store = FakeBenchmarkStore()
    return Desk(bench, prices, ratings, hub, store, opened(bench, store))


def opened(bench: Any, store: FakeBenchmarkStore) -> Intelligence:
    return Intelligence(
        bench.catalogue,
        bench.views,
        store=store,
        clock=bench.clock,
        states=list(store.states.values()),
        links=list(store.links),
    )


async def announce(bench: Any, model_id: str) -> None:
    said = Announcement(
        instance_id=f"i-{len(model_id)}",
        model_id=model_id,
        stamp=Stamp(1, 1),
        model_name="",
        model_type=ModelType.LLM,
        priority=1,
        default_flag=False,
        max_concurrency=1,
        context_limit=100,
        hardware_type=HardwareType.CPU,
        address="127.0.0.1:1",
        task_queue=f"llm.{model_id}",
    )
    await bench.registry.announce(said)


async def test_quality_and_cost_reach_the_model_with_source_and_date(desk: Desk) -> None:
    await announce(desk.bench, LLAMA)
    desk.bench.clock.seconds = 60
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    await desk.intelligence.sync(Source.LMARENA, desk.ratings)
    worth = desk.bench.views.model(LLAMA).worth
    assert (worth.cost_per_1k_input_tokens, worth.cost_per_1k_output_tokens) == (0.02, 0.05)
    # 100 points above the median.
    assert worth.quality_score == pytest.approx(0.64, abs=0.001)
    facts = {fact.name: fact for fact in desk.intelligence.facts(LLAMA)}
    assert (facts["elo"].value, facts["elo"].source, facts["elo"].record) == (
        "1300",
        Source.LMARENA,
        "llama-3.1-8b-instruct",
    )
    assert facts["elo"].observe_time == desk.bench.clock.now()


async def test_a_source_that_is_away_keeps_its_last_word_and_its_age(desk: Desk) -> None:
    await announce(desk.bench, LLAMA)
    first = await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    desk.bench.clock.seconds = 3600
    desk.prices.error = Unavailable("the source does not answer")
    with pytest.raises(Unavailable):
        await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    state = next(state for state in desk.intelligence.states() if state.source is Source.OPENROUTER)
    assert (state.records, state.fetch_time, state.problem) == (
        PRICES,
        first.fetch_time,
        "the source does not answer",
    )
    assert state.check_time == desk.bench.clock.now()
    assert desk.bench.views.model(LLAMA).worth.cost_per_1k_input_tokens == 0.02
    desk.prices.error = None
    assert (await desk.intelligence.sync(Source.OPENROUTER, desk.prices)).problem == ""


@pytest.mark.parametrize("drift", ["shape", "shrunk"])
async def test_a_source_that_drifts_changes_nothing_and_is_not_asked_again_at_once(desk: Desk, drift: str) -> None:
    await announce(desk.bench, LLAMA)
    await desk.intelligence.sync(Source.LMARENA, desk.ratings)
    before = desk.bench.views.model(LLAMA).worth
    if drift == "shape":
        desk.ratings.error = SourceDrifted("there is no list")
    else:
        desk.ratings.records = RATINGS[1:2]
    state = await desk.intelligence.sync(Source.LMARENA, desk.ratings)
    assert state.problem
    assert state.records == RATINGS
    assert desk.bench.views.model(LLAMA).worth == before


async def test_what_was_fetched_is_there_after_a_restart_without_a_network(desk: Desk) -> None:
    await announce(desk.bench, LLAMA)
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    again = opened(desk.bench, desk.store)
    desk.bench.views.appraise({})
    again.appraise()
    assert desk.bench.views.model(LLAMA).worth.cost_per_1k_input_tokens == 0.02


async def test_what_is_doubtful_is_for_a_person_and_the_word_is_kept(desk: Desk) -> None:
    await announce(desk.bench, "mistral-7b-instruct")
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    assert desk.bench.views.model("mistral-7b-instruct").worth.cost_per_1k_input_tokens is None
    ((model_id, source, resolution),) = desk.intelligence.reviews()
    candidate = resolution.doubtful[0]
    assert (model_id, source, candidate.doubts) == ("mistral-7b-instruct", Source.OPENROUTER, ("version",))
    await desk.intelligence.decide(model_id, source, candidate.record)
    assert desk.bench.views.model(model_id).worth.cost_per_1k_input_tokens == 0.1
    again = opened(desk.bench, desk.store)
    assert again.reviews() == []
    await again.decide(model_id, source, None)
    assert desk.bench.views.model(model_id).worth.cost_per_1k_input_tokens is None
    assert again.reviews() == []


async def test_a_certain_match_can_be_overruled(desk: Desk) -> None:
    await announce(desk.bench, LLAMA)
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    await desk.intelligence.decide(LLAMA, Source.OPENROUTER, None)
    assert desk.intelligence.facts(LLAMA) == []
    assert desk.bench.views.model(LLAMA).worth.cost_per_1k_input_tokens is None


async def test_the_unknown_cannot_be_decided(desk: Desk) -> None:
    with pytest.raises(ModelNotFound):
        await desk.intelligence.decide("nobody", Source.LMARENA, None)
    with pytest.raises(ModelNotFound):
        desk.intelligence.facts("nobody")
    await announce(desk.bench, LLAMA)
    with pytest.raises(RecordNotFound):
        await desk.intelligence.decide(LLAMA, Source.LMARENA, "nothing")


async def test_the_hub_is_asked_for_names_that_may_be_there(desk: Desk) -> None:
    await announce(desk.bench, "llama3.1:8b")
    await announce(desk.bench, "acme/own-model")
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    await desk.intelligence.sync(Source.HUGGING_FACE, desk.hub)
    assert desk.hub.asked == [["acme/own-model", LLAMA]]


async def test_operators_win(desk: Desk) -> None:
    await announce(desk.bench, LLAMA)
    await desk.bench.curation.update(LLAMA, PolicyChange(cost_per_1k_input_tokens=9.0))
    await desk.intelligence.sync(Source.OPENROUTER, desk.prices)
    worth = desk.bench.views.model(LLAMA).worth
    assert (worth.cost_per_1k_input_tokens, worth.cost_per_1k_output_tokens) == (9.0, 0.05)
