"""The order of choice, for fleets made by hand and for random ones."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import InvalidField, OloError
from olo_router.errors import ContextTooLong, ModelNotFound, ModelUnavailable, NoModelAvailable
from olo_router.selection.ranking import Kind, rank
from olo_router.selection.request import Reason, Request, Selection
from olo_router.selection.select import select
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Load, Model, ModelType

FREE = Load(ready=1, capacity=4, in_flight=1, best_instance_id="i", best_address="a:1")
FULL = Load(ready=1, capacity=4, in_flight=4, best_instance_id="i", best_address="a:1")
DRAINING = Load(draining=2)
GONE = Load()


def model(
    model_id: str,
    priority: int = 100,
    *,
    default: bool = False,
    enabled: bool = True,
    context: int = 2048,
    kind: ModelType = ModelType.LLM,
) -> Model:
    return Model(model_id, kind, priority, default, enabled, context, f"llm.{model_id}")


Fleet = Mapping[Model, Load]


def choose(fleet: Fleet, request: Request | None = None) -> Selection:
    request = request or Request()
    models = {each.model_id: each for each in fleet}
    loads = {each.model_id: load for each, load in fleet.items()}
    kind = Kind(request.model_type)
    return select(Snapshot(models, loads), rank(list(fleet), loads, kind, lambda _, __: None), request)


def order(selection: Selection) -> list[str]:
    return [candidate.model.model_id for candidate in selection.candidates]


A, B, C = model("a", 100, default=True), model("b", 300), model("c", 200)


NAMED, DEFAULT, HIGHEST, REST = (
    model("named", 1),
    model("default", 2, default=True),
    model("highest", 900),
    model("rest"),
)
STEPS = {NAMED: FREE, DEFAULT: FREE, HIGHEST: FREE, REST: FREE}


def test_step_1_the_model_that_the_user_names_if_it_is_healthy() -> None:
    selection = choose(STEPS, Request(model="named", allow_fallback=True, max_candidates=4))
    assert order(selection) == ["named", "default", "highest", "rest"]
    assert [each.reason for each in selection.candidates] == [
        Reason.REQUESTED,
        Reason.DEFAULT,
        Reason.PRIORITY,
        Reason.AVAILABLE,
    ]


def test_step_2_the_default_model() -> None:
    assert order(choose({**STEPS, NAMED: GONE}, Request(model="named", allow_fallback=True)))[0] == "default"
    assert choose(STEPS).candidates[0].reason is Reason.DEFAULT


def test_step_3_the_healthy_model_of_the_highest_priority() -> None:
    selection = choose({**STEPS, DEFAULT: GONE})
    assert (order(selection)[0], selection.candidates[0].reason) == ("highest", Reason.PRIORITY)


def test_step_4_the_first_available_healthy_model() -> None:
    assert order(choose({**STEPS, DEFAULT: GONE, HIGHEST: GONE})) == ["rest", "named"]
    assert order(choose({**STEPS, DEFAULT: FULL, HIGHEST: FULL, NAMED: GONE}))[0] == "rest"


def test_the_default_comes_first_then_priority() -> None:
    selection = choose({A: FREE, B: FREE, C: FREE})
    assert order(selection) == ["a", "b", "c"]
    assert [candidate.reason for candidate in selection.candidates] == [
        Reason.DEFAULT,
        Reason.PRIORITY,
        Reason.AVAILABLE,
    ]


def test_without_a_default_the_highest_priority_comes_first_and_ids_break_ties() -> None:
    assert order(choose({model("z", 5): FREE, model("y", 5): FREE, model("x", 1): FREE})) == ["y", "z", "x"]


def test_the_named_model_comes_first_where_others_may_follow() -> None:
    assert order(choose({A: FREE, B: FREE, C: FREE}, Request(model="c", allow_fallback=True))) == ["c", "a", "b"]


@pytest.mark.parametrize("name", ["c", "c:latest"])
def test_the_named_model_stands_alone_where_no_other_may(name: str) -> None:
    selection = choose({A: FREE, B: FREE, C: FULL}, Request(model=name))
    assert order(selection) == ["c"]
    assert selection.candidates[0].reason is Reason.REQUESTED


@pytest.mark.parametrize("name", ["", "auto"])
def test_nobody_named_lets_the_router_choose(name: str) -> None:
    assert order(choose({A: FREE, B: FREE}, Request(model=name))) == ["a", "b"]


def test_full_models_follow_the_free_ones_and_keep_their_order() -> None:
    selection = choose({A: FULL, B: FREE, C: FULL}, Request(model="c", allow_fallback=True))
    assert order(selection) == ["b", "c", "a"]
    assert [candidate.load.at_capacity for candidate in selection.candidates] == [False, True, True]


def test_an_unknown_name_is_not_found_even_where_others_may_answer() -> None:
    with pytest.raises(ModelNotFound) as caught:
        choose({A: FREE}, Request(model="nobody", allow_fallback=True))
    assert caught.value.field == "model"


def test_a_name_of_another_type_is_a_wrong_request() -> None:
    embedding = model("e", kind=ModelType.EMBEDDING)
    with pytest.raises(InvalidField) as caught:
        choose({A: FREE, embedding: FREE}, Request(model="e", allow_fallback=True))
    assert caught.value.field == "model"


@pytest.mark.parametrize(("load", "words"), [(GONE, "no live instance"), (DRAINING, "draining")])
def test_a_named_model_without_a_ready_instance_is_unavailable_or_others_follow(load: Load, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words) as caught:
        choose({A: FREE, B: load}, Request(model="b"))
    assert caught.value.retry_after
    selection = choose({A: FREE, B: load}, Request(model="b", allow_fallback=True))
    assert order(selection) == ["a"]
    assert [(each.model_id, each.filter) for each in selection.rejections] == [("b", "live_instance")]
    assert "b cannot answer now" in selection.candidates[0].explanation


def test_a_named_model_that_is_disabled_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable, match="disabled"):
        choose({model("x", enabled=False): FREE}, Request(model="x"))


def test_no_candidate_is_unavailable_with_a_time_to_retry() -> None:
    for fleet in ({}, {A: GONE, B: DRAINING}, {model("e", kind=ModelType.EMBEDDING): FREE}):
        with pytest.raises(NoModelAvailable) as caught:
            choose(fleet)
        assert caught.value.retry_after == 2.0


def test_a_request_that_no_model_could_ever_hold_is_wrong_and_one_that_an_absent_model_could_is_not() -> None:
    small, large = model("small", context=10), model("large", context=100)
    with pytest.raises(ContextTooLong):
        choose({small: FREE, large: GONE}, Request(min_context=101))
    with pytest.raises(NoModelAvailable):
        choose({small: FREE, large: GONE}, Request(min_context=100))
    with pytest.raises(ContextTooLong):
        choose({small: FREE, large: FREE}, Request(model="small", min_context=11))
    selection = choose({small: FREE, large: FREE}, Request(model="small", min_context=11, allow_fallback=True))
    assert order(selection) == ["large"]
    assert [(each.model_id, each.filter) for each in selection.rejections] == [("small", "context")]


def test_explanations_can_be_shown_to_people() -> None:
    selection = choose({A: FULL, B: FREE, C: FREE})
    assert [candidate.explanation for candidate in selection.candidates] == [
        "It has the highest priority (300) of the models with a free slot; 3 of 4 slots are free.",
        "It can answer, with priority 200; 3 of 4 slots are free.",
        "It is the default model; all 4 slots are taken, so the request will wait.",
    ]


_LOADS = st.builds(
    lambda ready, draining, slots, busy: Load(
        ready, draining, 0, ready * slots, ready * busy, "i" if ready else "", "a:1" if ready else ""
    ),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(1, 3),
    st.integers(0, 4),
)


@st.composite
def fleets(draw: st.DrawFn) -> dict[Model, Load]:
    ids = draw(st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10))
    defaults = {kind: draw(st.sampled_from([*ids, ""])) for kind in ModelType}
    fleet: dict[Model, Load] = {}
    for model_id in ids:
        kind = draw(st.sampled_from(ModelType))
        fleet[
            model(
                model_id,
                draw(st.integers(0, 1000)),
                default=defaults[kind] == model_id,
                enabled=draw(st.integers(0, 4)) > 0,
                context=draw(st.sampled_from([512, 2048, 8192])),
                kind=kind,
            )
        ] = draw(_LOADS)
    return fleet


_REQUESTS = st.builds(
    Request,
    model_type=st.sampled_from(ModelType),
    model=st.sampled_from(["", "auto", "a", "b:latest", "c", "nobody"]),
    min_context=st.sampled_from([0, 512, 1000, 8192, 9000]),
    max_candidates=st.integers(1, 12),
    allow_fallback=st.booleans(),
)


@given(fleets(), _REQUESTS)
def test_every_choice_keeps_the_order_and_accounts_for_every_model(fleet: dict[Model, Load], request: Request) -> None:
    try:
        selection = choose(fleet, request)
    except OloError:
        assert not _eligible(fleet, request) or _refused_by_name(fleet, request)
        return
    eligible = _eligible(fleet, request)
    chosen, rejected = order(selection), {each.model_id for each in selection.rejections}
    name = request.model.removesuffix(":latest")

    def place(each: Model) -> tuple[object, ...]:
        named = name not in ("", "auto") and each.model_id == name
        return fleet[each].at_capacity, not named, not each.default_flag, -each.priority, each.model_id

    expected = [each.model_id for each in sorted(eligible, key=place)]
    if name in ("", "auto") or request.allow_fallback:
        assert chosen == expected[: request.max_candidates]
        assert rejected == {each.model_id for each in fleet} - set(expected)
    else:
        assert chosen == [name]
    scores = [candidate.score for candidate in selection.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(each.filter and each.detail for each in selection.rejections)
    assert all(candidate.load.best_address for candidate in selection.candidates)


def _eligible(fleet: dict[Model, Load], request: Request) -> list[Model]:
    return [
        each
        for each, load in fleet.items()
        if each.enabled
        and load.ready
        and each.model_type is request.model_type
        and each.context_limit >= request.min_context
    ]


def _refused_by_name(fleet: dict[Model, Load], request: Request) -> bool:
    name = request.model.removesuffix(":latest")
    named = next((each for each in fleet if each.model_id == name), None)
    if name in ("", "auto"):
        return False
    if named is None or named.model_type is not request.model_type:
        return True
    return not request.allow_fallback and named not in _eligible(fleet, request)
