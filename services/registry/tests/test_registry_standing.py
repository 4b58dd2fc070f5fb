"""What the registry holds against instances: contradictions, drains, quarantine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import InvalidField
from olo_registry.errors import InstanceNotFound, RegistrationRejected
from olo_registry.leases.instance import Instance
from olo_registry.leases.quarantine import Quarantine, QuarantineRule
from olo_registry.types import Announcement, Departure, HardwareType, Heartbeat, ModelType, Stamp
from olo_registry.views import State


def said(instance_id: str = "i1", **changes: Any) -> Announcement:
    plain = Announcement(
        instance_id=instance_id,
        model_id="m",
        stamp=Stamp(1, 1),
        model_name="M",
        model_type=ModelType.LLM,
        priority=100,
        default_flag=False,
        max_concurrency=4,
        context_limit=2048,
        hardware_type=HardwareType.CPU,
        address=f"127.0.0.1:{1000 + int(instance_id[1:])}",
        task_queue="llm.m",
    )
    return replace(plain, **changes)


def states(bench: Any) -> dict[str, State]:
    return {seen.instance.instance_id: seen.state for seen in bench.views.model("m").instances}


def conflicts(bench: Any) -> list[tuple[str, str, str, str]]:
    return [(c.instance_id, c.field, c.expected, c.announced) for c in bench.views.model("m").conflicts]


async def test_a_contradiction_is_seen_with_who_and_what_until_it_ends(bench: Any) -> None:
    await bench.registry.announce(said("i1"))
    with pytest.raises(RegistrationRejected) as caught:
        await bench.registry.announce(said("i2", context_limit=4096))
    assert caught.value.field == "context_limit"
    assert caught.value.metadata["instance_id"] == "i1"
    assert conflicts(bench) == [("i2", "context_limit", "2048", "4096")]
    assert states(bench) == {"i1": State.READY}
    await bench.registry.announce(said("i2", stamp=Stamp(2, 1)))
    assert conflicts(bench) == []
    assert states(bench) == {"i1": State.READY, "i2": State.READY}


async def test_a_contradiction_is_forgotten_when_its_instance_is_silent_or_leaves(bench: Any) -> None:
    await bench.registry.announce(said("i1"))
    for _ in range(2):
        with pytest.raises(RegistrationRejected):
            await bench.registry.announce(said("i2", context_limit=4096))
    for seq in range(2, 8):
        await bench.registry.heartbeat(Heartbeat("i1", "m", Stamp(1, seq), 0, False))
        await bench.registry.heartbeat(Heartbeat("i2", "m", Stamp(1, seq), 0, False))
        bench.pass_time(3)
        assert len(conflicts(bench)) == 1
    for seq in range(8, 11):
        await bench.registry.heartbeat(Heartbeat("i1", "m", Stamp(1, seq), 0, False))
        bench.pass_time(3)
    assert conflicts(bench) == []
    with pytest.raises(RegistrationRejected):
        await bench.registry.announce(said("i2", context_limit=4096))
    await bench.registry.leave(Departure("i2", Stamp(1, 2)))
    assert conflicts(bench) == []


async def test_a_drain_holds_at_once_is_asked_for_until_heard_and_ends_with_the_process(bench: Any) -> None:
    await bench.registry.announce(said("i1"))
    await bench.registry.announce(said("i2"))
    told = await bench.registry.drain(instance_id="i1")
    assert [instance.instance_id for instance in told] == ["i1"]
    assert states(bench) == {"i1": State.DRAINING, "i2": State.READY}
    assert bench.announcer.drained == ["i1"]
    await bench.registry.heartbeat(Heartbeat("i1", "m", Stamp(1, 2), 1, False))
    assert bench.announcer.drained == ["i1", "i1"]
    await bench.registry.heartbeat(Heartbeat("i1", "m", Stamp(1, 3), 1, True))
    assert bench.announcer.drained == ["i1", "i1"]
    assert states(bench)["i1"] is State.DRAINING
    await bench.registry.announce(said("i1", stamp=Stamp(2, 1)))
    assert states(bench) == {"i1": State.READY, "i2": State.READY}


async def test_a_model_drains_with_all_that_it_has_now(bench: Any) -> None:
    await bench.registry.announce(said("i1"))
    await bench.registry.announce(said("i2"))
    await bench.registry.drain(model_id="m")
    await bench.registry.announce(said("i3"))
    assert states(bench) == {"i1": State.DRAINING, "i2": State.DRAINING, "i3": State.READY}


async def test_a_drain_of_nobody_of_both_and_of_the_unknown_is_refused(bench: Any) -> None:
    for wrong in ({}, {"instance_id": "i1", "model_id": "m"}):
        with pytest.raises(InvalidField):
            await bench.registry.drain(**wrong)
    for unknown in ({"instance_id": "i1"}, {"model_id": "m"}):
        with pytest.raises(InstanceNotFound):
            await bench.registry.drain(**unknown)


async def test_an_address_that_comes_and_goes_is_set_aside_until_it_has_stayed(bench: Any) -> None:
    await bench.registry.announce(said("i1"))
    for life in range(2, 7):
        # A new identity at each start, as after a crash; the address stays.
        crashed = said(f"i{life}", address="127.0.0.1:9")
        await bench.registry.announce(crashed)
        if life < 6:
            await bench.registry.leave(Departure(crashed.instance_id, Stamp(1, 2)))
    assert states(bench) == {"i1": State.READY, "i6": State.QUARANTINED}
    assert bench.views.model("m").instances[1].reason
    for seq in range(2, 15):
        for instance_id in ("i1", "i6"):
            await bench.registry.heartbeat(Heartbeat(instance_id, "m", Stamp(1, seq), 0, False))
        bench.pass_time(5)
    assert states(bench) == {"i1": State.READY, "i6": State.READY}


async def test_nobody_is_set_aside_where_that_would_leave_nobody(bench: Any) -> None:
    for epoch in range(1, 9):
        await bench.registry.announce(said("i1", stamp=Stamp(epoch, 1)))
    assert states(bench) == {"i1": State.READY}
    await bench.registry.announce(said("i2"))
    assert states(bench) == {"i1": State.QUARANTINED, "i2": State.READY}
    await bench.registry.leave(Departure("i2", Stamp(1, 2)))
    assert states(bench) == {"i1": State.READY}


@given(st.lists(st.tuples(st.sampled_from(["begin", "end"]), st.floats(0, 40)), max_size=40))
def test_quarantine_holds_exactly_those_that_begin_too_often(steps: list[tuple[str, float]]) -> None:
    rule = QuarantineRule(starts=3, window_seconds=60, stay_seconds=60)
    quarantine, now = Quarantine(rule), 0.0
    place = Instance("i", "m", ModelType.LLM, "a:1", "llm.m", 1, 1, 0, HardwareType.CPU, None, Stamp(1, 1), 0, False)  # type: ignore[arg-type]  # the time does not matter here
    begun: list[float] = []
    alive, until = 0, 0.0
    for step, pause in steps:
        now += pause
        quarantine.expire(now)
        if step == "begin":
            if alive == 0:
                begun.append(now)
                if len(begun) >= 3 and now - begun[-3] <= 60:
                    until = now + 60
            alive += 1
            quarantine.began(place, now)
        elif alive:
            alive -= 1
            quarantine.ended(place)
        assert quarantine.holds(place) == (until > now)
