"""Which requests are mirrored, and to whom they never are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.registry.v1 import registry_service_pb2 as registry
from olo_router.adapters.registry_feed import update_of
from olo_router.breaking.breakers import Gate
from olo_router.choosing import Decision
from olo_router.convert import selection_message
from olo_router.selection.constraints import Constraints
from olo_router.selection.ranking import Kind, rank
from olo_router.selection.request import Request, Selection, Shadow
from olo_router.selection.select import select
from olo_router.selection.snapshot import Snapshot
from olo_router.types import Alias, Load, Model, ModelType

FREE = Load(ready=1, capacity=4, in_flight=1, best_instance_id="i", best_address="a:1")
FULL = replace(FREE, in_flight=4)
OLD = Model("old", ModelType.LLM, 200, True, True, 4096, "llm.old")
NEW = Model("new", ModelType.LLM, 100, False, True, 2048, "llm.new", hardware="gpu")
FLEET = {OLD: FREE, NEW: FREE}
ASKED = Request(model="chat", request_id="run-1")


def chosen(
    request: Request = ASKED,
    percent: int = 100,
    fleet: Mapping[Model, Load] = FLEET,
    gates: Mapping[str, Gate] | None = None,
    targets: tuple[tuple[str, int], ...] = (("old", 1),),
) -> Selection:
    aliases = {"chat": Alias("chat", targets, ("new", percent))}
    loads = {model.model_id: load for model, load in fleet.items()}
    snapshot = Snapshot({model.model_id: model for model in fleet}, loads, aliases, gates or {})
    kind = Kind(request.model_type, request.profile, request.constraints, request.tenant)
    return select(snapshot, rank(list(fleet), loads, kind, snapshot.estimating), request)


def test_a_shadow_is_named_and_is_no_candidate() -> None:
    selection = chosen()
    assert selection.shadow == Shadow("new", "llm.new")
    assert [candidate.model.model_id for candidate in selection.candidates] == ["old"]


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (10, 150, 250), (60, 1130, 1270), (100, 2000, 2000)])
def test_the_share_is_about_what_was_set(percent: int, least: int, most: int) -> None:
    drawn = [chosen(replace(ASKED, request_id=f"run-{n}"), percent).shadow is not None for n in range(2000)]
    assert least <= sum(drawn) <= most


@given(st.text(max_size=20), st.integers(0, 100), st.integers(0, 100))
def test_the_same_id_draws_the_same_and_a_larger_share_only_adds_requests(word: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    request = replace(ASKED, request_id=word)
    few, many = chosen(request, low).shadow, chosen(request, high).shadow
    assert many is not None or few is None
    assert chosen(request, low).shadow == few


def test_the_draw_of_the_shadow_is_apart_from_the_draw_of_the_target() -> None:
    targets = (("old", 1), ("third", 1))
    fleet = {**FLEET, replace(OLD, model_id="third", default_flag=False): FREE}
    selections = [chosen(replace(ASKED, request_id=f"{n}"), 50, fleet, targets=targets) for n in range(400)]
    firsts = [each.candidates[0].model.model_id for each in selections if each.shadow is not None]
    assert 60 < firsts.count("old") < 140


@pytest.mark.parametrize(
    ("fleet", "gates", "request_", "targets", "why"),
    [
        ({OLD: FREE, NEW: FULL}, {}, ASKED, (("old", 1),), "it has no free slot"),
        ({OLD: FREE, NEW: Load()}, {}, ASKED, (("old", 1),), "no live instance serves it"),
        ({OLD: FREE, replace(NEW, enabled=False): FREE}, {}, ASKED, (("old", 1),), "the operator has disabled it"),
        (FLEET, {"new": Gate(False, 9.0)}, ASKED, (("old", 1),), "its circuit breaker is open for another 9 s"),
        (FLEET, {}, replace(ASKED, min_context=4000), (("old", 1),), "its context of 2048 tokens"),
        (FLEET, {}, ASKED, (("new", 1),), "it is the first choice itself"),
    ],
)
def test_it_is_left_out_with_a_reason(
    fleet: Mapping[Model, Load], gates: Mapping[str, Gate], request_: Request, targets: object, why: str
) -> None:
    shadow = chosen(request_, 100, fleet, gates, targets).shadow  # type: ignore[arg-type]  # pytest's parameters
    assert shadow is not None
    assert shadow.skipped.startswith(why)
    assert not shadow.task_queue


def test_it_gets_nothing_that_constraints_or_tenants_keep_from_it() -> None:
    old = replace(OLD, hardware="cpu")
    kept = chosen(replace(ASKED, constraints=Constraints(hardware="cpu")), fleet={old: FREE, NEW: FREE}).shadow
    assert kept is not None
    assert kept.skipped == "it does not run on cpu"
    theirs = replace(NEW, allowed_tenants=frozenset({"a"}))
    assert chosen(replace(ASKED, tenant="b"), fleet={OLD: FREE, theirs: FREE}).shadow is None
    assert chosen(replace(ASKED, tenant="a"), fleet={OLD: FREE, theirs: FREE}).shadow == Shadow("new", "llm.new")


def test_requests_for_a_model_itself_are_not_mirrored() -> None:
    assert chosen(replace(ASKED, model="old")).shadow is None
    assert chosen(replace(ASKED, model="")).shadow is None


def test_it_comes_from_the_registry_and_goes_to_the_caller() -> None:
    told = registry.Alias(alias="chat", targets=[registry.AliasTarget(model_id="old", weight=1)])
    assert update_of(registry.WatchModelsResponse(aliases=[told])).aliases == (Alias("chat", (("old", 1),)),)
    told.shadow.model_id, told.shadow.percent = "new", 10
    (alias,) = update_of(registry.WatchModelsResponse(aliases=[told])).aliases
    assert alias.shadow == ("new", 10)
    message = selection_message(Decision(chosen(), "default", None, 1, 0.0))
    assert (message.shadow.model_id, message.shadow.task_queue, message.shadow.skipped) == ("new", "llm.new", "")
    assert not selection_message(Decision(chosen(percent=0), "default", None, 1, 0.0)).HasField("shadow")
