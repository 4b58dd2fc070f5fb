"""What the operator decides: it is checked, it wins over what instances say, and names stand for models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import InvalidField, Unavailable
from olo_registry.catalogue.alias import Alias, Shadow, Target
from olo_registry.catalogue.entry import PolicyChange
from olo_registry.catalogue.validation import validate_change
from olo_registry.errors import AliasNotFound, ModelNotFound
from olo_registry.types import Announcement, HardwareType, ModelType, Stamp
from olo_registry.views import Worth


def said(model_id: str = "m", instance_id: str = "i", **changes: Any) -> Announcement:
    values: dict[str, Any] = {
        "instance_id": instance_id,
        "model_id": model_id,
        "stamp": Stamp(1, 1),
        "model_name": "",
        "model_type": ModelType.LLM,
        "priority": 100,
        "default_flag": False,
        "max_concurrency": 4,
        "context_limit": 2048,
        "hardware_type": HardwareType.CPU,
        "address": "127.0.0.1:1",
        "task_queue": f"llm.{model_id}",
    }
    return Announcement(**{**values, **changes})


async def test_the_operator_wins_over_the_benchmarks_and_gives_way_again(bench: Any) -> None:
    await bench.registry.announce(said())
    bench.views.appraise({"m": Worth(0.4, 0.1, 0.2), "unknown": Worth(1.0)})
    assert bench.views.model("m").worth == Worth(0.4, 0.1, 0.2)
    await bench.curation.update("m", PolicyChange(quality_score=0.9, cost_per_1k_input_tokens=0.0))
    assert bench.views.model("m").worth == Worth(0.9, 0.0, 0.2)
    await bench.curation.update("m", PolicyChange(quality_score=None))
    assert bench.views.model("m").worth == Worth(0.4, 0.0, 0.2)


async def test_a_model_can_do_what_all_its_instances_can_unless_the_operator_says_otherwise(bench: Any) -> None:
    await bench.registry.announce(said(instance_id="i1", capabilities=("json", "logprobs", "tools")))
    await bench.registry.announce(said(instance_id="i2", capabilities=("json", "tools")))
    assert bench.views.model("m").capabilities == ("json", "tools")
    await bench.curation.update("m", PolicyChange(capabilities=("json",)))
    assert bench.views.model("m").capabilities == ("json",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (PolicyChange(quality_score=1.5), "model.quality_score"),
        (PolicyChange(quality_score=float("nan")), "model.quality_score"),
        (PolicyChange(cost_per_1k_input_tokens=-0.1), "model.cost_per_1k_input_tokens"),
        (PolicyChange(cost_per_1k_output_tokens=float("inf")), "model.cost_per_1k_output_tokens"),
        (PolicyChange(labels={"": "a"}), "model.labels"),
        (PolicyChange(labels={"a": "x\n"}), "model.labels"),
        (PolicyChange(labels={f"k{n}": "v" for n in range(33)}), "model.labels"),
        (PolicyChange(capabilities=("Tools",)), "model.capabilities"),
        (PolicyChange(capabilities=("tools", "tools")), "model.capabilities"),
        (PolicyChange(allowed_tenants=("*",)), "model.allowed_tenants"),
    ],
)
async def test_policy_out_of_range_is_refused_by_field(bench: Any, change: PolicyChange, field: str) -> None:
    await bench.registry.announce(said())
    before = bench.views.model("m").entry
    with pytest.raises(InvalidField) as caught:
        await bench.curation.update("m", change)
    assert caught.value.field == field
    assert bench.views.model("m").entry == before


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_quality_is_a_number_from_0_to_1_or_refused(value: float) -> None:
    try:
        validate_change(PolicyChange(quality_score=value))
    except InvalidField:
        assert not 0 <= value <= 1
    else:
        assert 0 <= value <= 1


@pytest.mark.parametrize("field", ["capabilities", "labels"])
async def test_what_an_instance_says_of_itself_is_bounded_too(bench: Any, field: str) -> None:
    wrong: Any = ("a",) * 2 if field == "capabilities" else {"bad key": "v"}
    with pytest.raises(InvalidField) as caught:
        await bench.registry.announce(said(**{field: wrong}))
    assert caught.value.field == field


async def test_an_alias_is_stored_told_replaced_and_ended(bench: Any) -> None:
    await bench.registry.announce(said("m"))
    await bench.registry.announce(said("n", instance_id="i2"))
    updates = bench.views.watch()
    assert (await anext(updates)).aliases == []
    canary = Alias("chat:latest", (Target("m", 9), Target("n", 1)))
    await bench.curation.set_alias(canary)
    assert (await anext(updates)).aliases == [canary]
    whole = Alias("chat:latest", (Target("n", 1),), Shadow("m", 100))
    await bench.curation.set_alias(whole)
    assert bench.views.aliases() == [whole] == list(bench.store.aliases.values())
    await bench.curation.delete_alias("chat:latest")
    update = await anext(updates)
    assert (update.aliases, update.removed_aliases) == ([], ["chat:latest"])
    with pytest.raises(AliasNotFound):
        await bench.curation.delete_alias("chat:latest")
    await updates.aclose()


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        (Alias("a b", (Target("m", 1),)), "alias.alias"),
        (Alias("auto", (Target("m", 1),)), "alias.alias"),
        (Alias("a", ()), "alias.targets"),
        (Alias("a", (Target("m", 0),)), "alias.targets.weight"),
        (Alias("a", (Target("m", 1001),)), "alias.targets.weight"),
        (Alias("a", (Target("m", 1), Target("m", 2))), "alias.targets.model_id"),
        (Alias("a", (Target("m", 1), Target("e", 2))), "alias.targets.model_id"),
        (Alias("a", (Target("m", 1),), Shadow("n", 101)), "alias.shadow.percent"),
        (Alias("a", (Target("m", 1),), Shadow("m", 10)), "alias.shadow.model_id"),
        (Alias("a", (Target("m", 1),), Shadow("e", 10)), "alias.shadow.model_id"),
        (Alias("a", (Target("e", 1),), Shadow("m", 10)), "alias.shadow"),
    ],
)
async def test_an_alias_that_cannot_be_is_refused_by_field(bench: Any, alias: Alias, field: str) -> None:
    await bench.registry.announce(said("m"))
    embedding = {"model_type": ModelType.EMBEDDING, "task_queue": "embedding.e", "embedding_dimension": 8}
    await bench.registry.announce(said("e", instance_id="i2", **embedding))
    await bench.registry.announce(said("n", instance_id="i3"))
    with pytest.raises(InvalidField) as caught:
        await bench.curation.set_alias(alias)
    assert caught.value.field == field
    assert bench.views.aliases() == []


async def test_an_alias_of_nothing_or_that_cannot_be_stored_is_not_set(bench: Any) -> None:
    with pytest.raises(ModelNotFound):
        await bench.curation.set_alias(Alias("a", (Target("nobody", 1),)))
    await bench.registry.announce(said("m"))
    with pytest.raises(ModelNotFound) as caught:
        await bench.curation.set_alias(Alias("a", (Target("m", 1),), Shadow("nobody", 10)))
    assert caught.value.field == "alias.shadow.model_id"
    bench.store.away = True
    with pytest.raises(Unavailable):
        await bench.curation.set_alias(Alias("a", (Target("m", 1),)))
    assert bench.views.aliases() == []
