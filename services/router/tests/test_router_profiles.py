"""Profiles, constraints, aliases, conversations, affinity, waits and circuit breakers in the choice of a model."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import InvalidField, OloError, StartupError
from olo_router.adapters.classifier_file import trained
from olo_router.adapters.profile_file import load_profiles
from olo_router.breaking.breakers import Gate
from olo_router.errors import ConstraintsUnmet, ModelNotFound, ModelUnavailable, NoModelAvailable
from olo_router.learning.learner import Estimate
from olo_router.selection.complexity import Classifier, Prompt, by_rules, features_of
from olo_router.selection.constraints import Constraints
from olo_router.selection.draws import uniform, weighted_order
from olo_router.selection.profiles import BUILT_IN, Profile, Profiles, profile_of
from olo_router.selection.ranking import Kind, rank
from olo_router.selection.request import Reason, Request, Selection
from olo_router.selection.select import select
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Alias, Load, Model, ModelType

FREE = Load(ready=1, capacity=4, in_flight=1, best_instance_id="i", best_address="a:1")
FULL = Load(ready=1, capacity=4, in_flight=4, best_instance_id="i", best_address="a:1")
BY_NAME = {profile.name: profile for profile in BUILT_IN}


def model(model_id: str, priority: int = 100, **more: object) -> Model:
    return replace(Model(model_id, ModelType.LLM, priority, False, True, 4096, f"llm.{model_id}"), **more)  # type: ignore[arg-type]


SMALL = model("small", quality=0.3, input_cost=0.0001, output_cost=0.0002, hardware="cpu")
LARGE = model("large", quality=0.9, input_cost=0.01, output_cost=0.03, hardware="gpu")
LONG = model("long", quality=0.5, input_cost=0.002, output_cost=0.004, context_limit=200_000)
UNKNOWN = model("unknown")
FLEET = {SMALL: FREE, LARGE: FREE, LONG: FREE, UNKNOWN: FREE}
SPEEDS = {"small": Estimate(0.1, 0.005, 0.0), "large": Estimate(1.0, 0.05, 0.0), "long": Estimate(0.5, 0.02, 0.0)}


def choose(
    fleet: Mapping[Model, Load],
    request: Request,
    *,
    aliases: Mapping[str, Alias] | None = None,
    gates: Mapping[str, Gate] | None = None,
    speeds: Mapping[str, Estimate] | None = None,
    backlogs: Mapping[str, int] | None = None,
) -> Selection:
    estimates = SPEEDS if speeds is None else speeds
    loads = {each.model_id: load for each, load in fleet.items()}
    snapshot = Snapshot(
        {each.model_id: each for each in fleet},
        loads,
        aliases or {},
        gates or {},
        backlogs or {},
        lambda model_id, _: estimates.get(model_id),
    )
    kind = Kind(request.model_type, request.profile, request.constraints, request.tenant)
    return select(snapshot, rank(list(fleet), loads, kind, snapshot.estimating), request)


def order(selection: Selection) -> list[str]:
    return [candidate.model.model_id for candidate in selection.candidates]


def by(profile: str, **more: object) -> Request:
    return replace(Request(profile=BY_NAME[profile], max_candidates=4), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("profile", "first"),
    [("quality", "large"), ("speed", "small"), ("budget", "small"), ("long_context", "long"), ("balanced", "small")],
)
def test_each_profile_puts_the_model_first_that_it_is_made_for(profile: str, first: str) -> None:
    selection = choose(FLEET, by(profile))
    assert order(selection)[0] == first
    assert selection.candidates[0].reason is Reason.PROFILE
    assert profile in selection.candidates[0].explanation


def test_the_weights_of_the_profiles_are_those_that_were_asked_for() -> None:
    assert [(p.name, p.quality, p.latency, p.cost, p.context) for p in BUILT_IN] == [
        ("quality", 0.8, 0.1, 0.1, 0.0),
        ("balanced", 0.4, 0.3, 0.3, 0.0),
        ("speed", 0.1, 0.7, 0.2, 0.0),
        ("budget", 0.1, 0.1, 0.8, 0.0),
        ("long_context", 0.3, 0.2, 0.2, 0.3),
    ]


def test_a_score_can_be_added_up_from_its_components() -> None:
    for candidate in choose(FLEET, by("long_context")).candidates:
        assert [part.name for part in candidate.components] == ["quality", "latency", "cost", "context"]
        total = sum(part.value * part.weight for part in candidate.components)
        assert candidate.score == pytest.approx(0.55 + 0.45 * 0.9 * total)
    unknown = next(c for c in choose(FLEET, by("balanced")).candidates if c.model is UNKNOWN)
    assert [(part.value, part.detail) for part in unknown.components] == [
        (0.5, "not known"),
        (0.5, "not measured yet"),
        (0.5, "not known"),
    ]


def test_errors_count_as_slowness() -> None:
    alike = {model("a"): FREE, model("b"): FREE}
    speeds = {"a": Estimate(0.1, 0.01, 0.9), "b": Estimate(0.1, 0.01, 0.0)}
    selection = choose(alike, by("speed"), speeds=speeds)
    assert order(selection) == ["b", "a"]
    assert "90% of attempts fail" in selection.candidates[1].components[1].detail


def test_the_default_flag_and_priority_say_nothing_under_a_profile_but_a_name_still_does() -> None:
    fleet = {replace(SMALL, default_flag=True): FREE, LARGE: FREE}
    assert order(choose(fleet, by("quality"))) == ["large", "small"]
    assert order(choose(fleet, by("quality", model="small", allow_fallback=True))) == ["small", "large"]


_WEIGHT = st.floats(0, 1, allow_nan=False)
_AMOUNT = st.one_of(st.none(), st.floats(0, 1, allow_nan=False))


@given(
    st.lists(st.tuples(_AMOUNT, _AMOUNT, st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.tuples(_WEIGHT, _WEIGHT, _WEIGHT, _WEIGHT).filter(lambda weights: sum(weights) > 0),
    st.sampled_from(["", "key-1", "key-2"]),
    st.integers(1, 9),
)
def test_under_any_profile_scores_fall_and_everybody_is_accounted_for(
    given_models: list[tuple[float | None, float | None, bool, bool]],
    weights: tuple[float, float, float, float],
    affinity: str,
    wanted: int,
) -> None:
    fleet = {
        model(f"m{n}", quality=quality, input_cost=cost, enabled=enabled): FULL if full else FREE
        for n, (quality, cost, full, enabled) in enumerate(given_models)
    }
    profile = profile_of("own", dict(zip(("quality", "latency", "cost", "context"), weights, strict=True)))
    request = Request(profile=profile, affinity_key=affinity, max_candidates=wanted)
    try:
        selection = choose(fleet, request)
    except NoModelAvailable:
        assert not any(each.enabled for each in fleet)
        return
    scores = [candidate.score for candidate in selection.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(selection.candidates) == min(wanted, sum(each.enabled for each in fleet))
    assert {each.model_id for each in selection.rejections} == {each.model_id for each in fleet if not each.enabled}


@pytest.mark.parametrize(
    ("constraints", "left"),
    [
        (Constraints(min_quality=0.5), ["large", "long"]),
        (Constraints(max_cost=0.003), ["long", "small"]),
        (Constraints(max_seconds=3.5), ["long", "small", "unknown"]),
        (Constraints(hardware="gpu"), ["large"]),
        (Constraints(min_context=5000), ["long"]),
    ],
)
def test_constraints_leave_who_meets_them_and_say_why_the_others_do_not(
    constraints: Constraints, left: list[str]
) -> None:
    selection = choose(FLEET, by("balanced", constraints=constraints))
    assert sorted(order(selection)) == left
    assert all(each.filter.startswith(("constraints.", "context")) for each in selection.rejections)
    assert len(selection.rejections) == 4 - len(left)


def test_labels_and_capabilities_are_demanded_all() -> None:
    able = model("able", labels=frozenset({("zone", "a"), ("team", "x")}), capabilities=frozenset({"tools", "json"}))
    fleet = {able: FREE, model("plain"): FREE}
    wanted = Constraints(labels=frozenset({("zone", "a")}), capabilities=frozenset({"json", "tools"}))
    selection = choose(fleet, Request(constraints=wanted))
    assert order(selection) == ["able"]
    assert selection.rejections[0].detail == "it has not the label zone=a"


def test_a_constraint_that_nobody_meets_is_the_callers_error_unless_somebody_who_does_is_away() -> None:
    with pytest.raises(ConstraintsUnmet) as caught:
        choose(FLEET, by("balanced", constraints=Constraints(min_quality=0.99)))
    assert caught.value.field == "constraints.min_quality"
    with pytest.raises(ConstraintsUnmet):
        choose(FLEET, Request(model="small", constraints=Constraints(hardware="gpu")))
    with pytest.raises(NoModelAvailable):
        choose({SMALL: FREE, LARGE: Load()}, by("balanced", constraints=Constraints(min_quality=0.8)))


@pytest.mark.parametrize(
    ("field", "constraints"),
    [
        ("constraints.min_quality", Constraints(min_quality=1.5)),
        ("constraints.min_quality", Constraints(min_quality=float("nan"))),
        ("constraints.max_latency", Constraints(max_seconds=0.0)),
        ("constraints.max_cost_per_1k_tokens", Constraints(max_cost=-1.0)),
        ("constraints.max_cost_per_1k_tokens", Constraints(max_cost=float("inf"))),
        ("constraints.capabilities", Constraints(capabilities=frozenset({"x" * 200}))),
    ],
)
def test_constraints_that_make_no_sense_are_refused(field: str, constraints: Constraints) -> None:
    with pytest.raises(InvalidField) as caught:
        constraints.check()
    assert caught.value.field == field


def test_models_of_other_tenants_do_not_exist() -> None:
    fleet = {model("theirs", 900, allowed_tenants=frozenset({"b"})): FREE, model("ours", 1): FREE}
    selection = choose(fleet, Request(tenant="a"))
    assert order(selection) == ["ours"]
    assert selection.rejections == ()
    with pytest.raises(ModelNotFound):
        choose(fleet, Request(tenant="a", model="theirs"))
    assert order(choose(fleet, Request(tenant="b"))) == ["theirs", "ours"]


CANARY = {"chat": Alias("chat", (("large", 9), ("small", 1)))}


def test_an_alias_draws_by_weight_and_the_same_id_always_draws_the_same() -> None:
    firsts = collections.Counter(
        order(choose(FLEET, Request(model="chat", request_id=f"run-{n}"), aliases=CANARY))[0] for n in range(2000)
    )
    assert set(firsts) == {"large", "small"}
    assert 130 < firsts["small"] < 270
    twice = [choose(FLEET, Request(model="chat", request_id="run-7"), aliases=CANARY) for _ in range(2)]
    assert twice[0] == twice[1]
    assert twice[0].alias == "chat"


def test_all_targets_of_an_alias_were_asked_for_and_others_were_not() -> None:
    request = Request(model="chat:latest", request_id="x", max_candidates=4)
    assert sorted(order(choose(FLEET, request, aliases=CANARY))) == ["large", "small"]
    away = {**FLEET, LARGE: Load()}
    assert order(choose(away, request, aliases=CANARY)) == ["small"]
    with pytest.raises(ModelUnavailable):
        choose({**away, SMALL: Load()}, request, aliases=CANARY)
    with pytest.raises(ModelNotFound):
        choose(FLEET, request, aliases={"chat": Alias("chat", (("nobody", 1),))})


@given(st.text(max_size=20), st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(1, 9)), max_size=6))
def test_moving_weight_moves_only_requests_of_those_concerned(word: str, targets: list[tuple[str, int]]) -> None:
    targets = list(dict(targets).items())
    drawn = weighted_order(targets, word)
    assert sorted(drawn) == sorted(name for name, _ in targets)
    if len(targets) > 1:
        heavier = [(name, weight * 1000 if name == drawn[0] else weight) for name, weight in targets]
        assert weighted_order(heavier, word) == drawn
    assert 0 < uniform(word) < 1


def test_a_conversation_stays_with_its_model_while_that_has_a_free_slot() -> None:
    fleet = {model("a", 500): FREE, model("b", 100): FREE}
    selection = choose(fleet, Request(sticky_model="b"))
    assert order(selection) == ["b", "a"]
    assert selection.candidates[0].reason is Reason.CONVERSATION
    full = {each: FULL if each.model_id == "b" else load for each, load in fleet.items()}
    assert order(choose(full, Request(sticky_model="b"))) == ["a", "b"]
    assert order(choose(fleet, Request(sticky_model="gone"))) == ["a", "b"]
    assert order(choose(fleet, Request(sticky_model="b", model="a"))) == ["a"]


def test_prompts_that_begin_alike_meet_at_one_of_models_that_are_alike() -> None:
    fleet = {model(name): FREE for name in "abcd"} | {model("low", 1): FREE}
    firsts = collections.Counter()
    for n in range(400):
        chosen = [order(choose(fleet, Request(affinity_key=f"key-{n}", max_candidates=5))) for _ in range(2)]
        assert chosen[0] == chosen[1]
        assert chosen[0][-1] == "low"
        firsts[chosen[0][0]] += 1
    assert all(60 < firsts[name] < 140 for name in "abcd")
    everybody = order(choose(fleet, Request(affinity_key="key", max_candidates=5)))
    for wanted in range(1, 5):
        assert order(choose(fleet, Request(affinity_key="key", max_candidates=wanted))) == everybody[:wanted]
    # It never stands above priority, nor above a clear difference under a profile.
    assert order(choose(FLEET, by("quality", affinity_key="x")))[0] == "large"


def test_waits_are_predicted_and_queues_that_outlive_the_deadline_come_last() -> None:
    fleet = {model("slow", 900): FULL, model("quick", 100): FULL}
    speeds = {"slow": Estimate(1.0, 0.5, 0.0), "quick": Estimate(0.1, 0.01, 0.0)}
    selection = choose(fleet, Request(deadline=10.0), speeds=speeds)
    assert order(selection) == ["quick", "slow"]
    assert selection.candidates[1].wait == pytest.approx(65 / 4)
    assert "will wait about 16 s" in selection.candidates[1].explanation
    assert order(choose(fleet, Request(deadline=60.0), speeds=speeds)) == ["slow", "quick"]
    # What waits in Temporal's queue is in front of the request.
    behind = choose(fleet, Request(deadline=60.0), speeds=speeds, backlogs={"slow": 40})
    assert order(behind) == ["quick", "slow"]


def test_an_open_breaker_takes_a_model_away_and_a_half_open_one_is_only_tried_as_first_choice() -> None:
    fleet = {model("a", 900): FREE, model("b", 500): FREE, model("c", 100): FREE}
    open_a = choose(fleet, Request(), gates={"a": Gate(probe=False, open_for=42.0)})
    assert order(open_a) == ["b", "c"]
    assert [(each.model_id, each.filter) for each in open_a.rejections] == [("a", "circuit_breaker")]
    assert order(choose(fleet, Request(), gates={"a": Gate(probe=True, open_for=0.0)})) == ["a", "b", "c"]
    assert order(choose(fleet, Request(), gates={"b": Gate(probe=True, open_for=0.0)})) == ["a", "c"]


def test_when_every_breaker_is_open_the_caller_is_told_when_to_come_back() -> None:
    gates = {"a": Gate(probe=False, open_for=42.0), "b": Gate(probe=False, open_for=17.0)}
    with pytest.raises(NoModelAvailable, match="circuit breaker") as caught:
        choose({model("a"): FREE, model("b"): FREE}, Request(), gates=gates)
    assert caught.value.retry_after == 17.0
    with pytest.raises(ModelUnavailable) as named:
        choose({model("a"): FREE, model("b"): FREE}, Request(model="a"), gates=gates)
    assert named.value.retry_after == 42.0


def test_profiles_come_from_a_file_and_their_weights_are_scaled(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text("[night]\ncost = 3\nquality = 1\n[speed]\nlatency = 1\n")
    profiles = load_profiles(path, "night")
    assert profiles.weights("night") == Profile("night", quality=0.25, cost=0.75)
    assert profiles.weights("speed") == Profile("speed", latency=1.0)
    assert profiles.weights("default") is None
    with pytest.raises(InvalidField, match="balanced"):
        profiles.weights("nightly")


@pytest.mark.parametrize(
    "text",
    [
        "[x]",
        "[x]\nwit = 1",
        "[x]\ncost = -1",
        "[x]\ncost = nan",
        "[x]\ncost = true",
        "[x]\ncost = 0",
        "[default]\ncost = 1",
        "[auto]\ncost = 1",
        "[Upper]\ncost = 1",
        "x = 1",
        "no toml",
    ],
)
def test_files_that_make_no_sense_end_the_start_with_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text(text)
    with pytest.raises(StartupError, match="PROFILES_FILE"):
        load_profiles(path, "default")


def test_a_default_that_does_not_exist_and_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="there is no profile"):
        load_profiles(None, "fast")
    with pytest.raises(StartupError):
        load_profiles(tmp_path / "none.toml", "default")
    assert Profiles(default="auto").default == "auto"


@pytest.mark.parametrize("classifier", [by_rules(), trained()], ids=["rules", "trained"])
def test_simple_and_complex_prompts_are_told_apart_and_it_is_said_by_what(classifier: Classifier) -> None:
    simple = classifier.judge(Prompt("What is the capital of Peru?", 28, 1))
    hard = classifier.judge(
        Prompt("Compare two designs of a lock-free queue, prove one of them right and justify your choice.", 90, 1)
    )
    assert not simple.is_complex
    assert hard.is_complex
    assert hard.features[0].name == "reasoning_words"
    assert [f.name for f in simple.features if f.contribution < 0] == ["simple_start"]


@given(st.text(max_size=9000), st.integers(0, 10**7), st.integers(0, 1000), st.booleans())
def test_any_prompt_has_features_between_0_and_1(text: str, characters: int, turns: int, grounded: bool) -> None:
    prompt = Prompt(text, characters, turns, grounded)
    assert all(0 <= value <= 1 for value in features_of(prompt).values())
    assert 0 <= by_rules().judge(prompt).score <= 1


def test_errors_of_the_choice_carry_no_address() -> None:
    for request in (Request(model="nobody"), Request(constraints=Constraints(min_quality=1.0))):
        with pytest.raises(OloError) as caught:
            choose(FLEET, request)
        assert "a:1" not in caught.value.message
