"""The registry among fakes: admission, policy, expiry, watching."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from olo_common.errors import InvalidField, Unavailable
from olo_registry.catalogue.entry import PolicyChange
from olo_registry.errors import (
    InstanceNotFound,
    ModelNotFound,
    RegistrationRejected,
    RegistryFull,
)
from olo_registry.types import Announcement, Departure, HardwareType, Heartbeat, ModelType, Stamp

PLAIN = Announcement(
    instance_id="i1",
    model_id="m",
    stamp=Stamp(1, 1),
    model_name="The model",
    model_type=ModelType.LLM,
    priority=100,
    default_flag=True,
    max_concurrency=4,
    context_limit=2048,
    hardware_type=HardwareType.CPU,
    address="127.0.0.1:50055",
    task_queue="llm.m",
)


def said(**changes: Any) -> Announcement:
    announcement = replace(PLAIN, **changes)
    if "model_id" in changes and "task_queue" not in changes:
        announcement = replace(announcement, task_queue=f"llm.{announcement.model_id}")
    return announcement


def beat(instance_id: str = "i1", epoch: int = 1, seq: int = 2, *, draining: bool = False) -> Heartbeat:
    return Heartbeat(instance_id, "m", Stamp(epoch, seq), 0, draining)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("instance_id", ""),
        ("instance_id", "a*"),
        ("instance_id", ">"),
        ("instance_id", "a..b"),
        ("instance_id", "x" * 129),
        ("model_id", "*"),
        ("model_id", "../m"),
        ("model_type", None),
        ("hardware_type", None),
        ("max_concurrency", 0),
        ("max_concurrency", 1025),
        ("context_limit", 0),
        ("context_limit", 10_000_001),
        ("priority", -1),
        ("priority", 1001),
        ("embedding_dimension", 384),
        ("in_flight", 2**63),
        ("model_name", "a\nb"),
        ("model_name", "x" * 257),
        ("task_queue", "llm.other"),
        ("task_queue", "embedding.m"),
        ("address", "nowhere"),
        ("address", "host:0"),
        ("address", "host:65536"),
        ("address", "host:٣"),
        ("address", "unix:/tmp/socket"),
        ("address", "a b:80"),
        ("address", ":80"),
    ],
)
async def test_metadata_out_of_range_is_refused_by_field(bench: Any, field: str, value: object) -> None:
    with pytest.raises(InvalidField) as caught:
        await bench.registry.announce(replace(PLAIN, **{field: value}))
    assert caught.value.field == field
    assert bench.views.models("", 10, None) == ([], False)


@pytest.mark.parametrize("stamp", [Stamp(-1, 1), Stamp(1, -1), Stamp(2**63, 1), Stamp(1, 2**64)])
async def test_stamps_out_of_range_are_refused(bench: Any, stamp: Stamp) -> None:
    with pytest.raises(InvalidField):
        await bench.registry.announce(said(stamp=stamp))


@pytest.mark.parametrize("address", ["localhost:1", "10.0.0.1:65535", "[::1]:50055", "a-b.c_d.svc:80"])
async def test_addresses_that_grpc_can_reach_are_taken(bench: Any, address: str) -> None:
    await bench.registry.announce(said(address=address))
    assert bench.views.model("m").instances[0].instance.address == address


async def test_the_first_announcement_makes_the_entry_and_caps_its_wish(bench: Any) -> None:
    await bench.registry.announce(said(priority=900, model_name=""))
    entry = bench.views.model("m").entry
    assert (entry.priority, entry.default_flag, entry.enabled, entry.model_name) == (500, True, True, "m")
    assert bench.store.saved == [entry]


async def test_the_wish_to_be_default_is_granted_once_per_type(bench: Any) -> None:
    await bench.registry.announce(said())
    await bench.registry.announce(said(instance_id="i2", model_id="n"))
    await bench.registry.announce(
        said(
            instance_id="i3",
            model_id="e",
            task_queue="embedding.e",
            model_type=ModelType.EMBEDDING,
            embedding_dimension=384,
        )
    )
    defaults = [view.entry.model_id for view in bench.views.models("", 10, None)[0] if view.entry.default_flag]
    assert defaults == ["e", "m"]


async def test_later_announcements_never_change_policy(bench: Any) -> None:
    await bench.registry.announce(said())
    change = PolicyChange(model_name="Mine", priority=7, default_flag=False, enabled=False)
    await bench.curation.update("m", change)
    await bench.registry.announce(said(stamp=Stamp(2, 1), priority=300, model_name="Theirs", context_limit=4096))
    entry = bench.views.model("m").entry
    assert (entry.model_name, entry.priority, entry.default_flag, entry.enabled) == ("Mine", 7, False, False)
    assert entry.context_limit == 4096


@pytest.mark.parametrize(
    "contradiction",
    [
        {"context_limit": 4096},
        {"model_type": ModelType.EMBEDDING, "task_queue": "embedding.m", "embedding_dimension": 8},
    ],
)
async def test_a_contradiction_is_refused_while_the_old_facts_live(bench: Any, contradiction: dict[str, Any]) -> None:
    await bench.registry.announce(said())
    with pytest.raises(RegistrationRejected):
        await bench.registry.announce(said(instance_id="i2", **contradiction))
    await bench.registry.leave(Departure("i1", Stamp(1, 2)))
    await bench.registry.announce(said(instance_id="i2", **contradiction))
    assert [seen.instance.instance_id for seen in bench.views.model("m").instances] == ["i2"]


async def test_a_refused_instance_does_not_make_everybody_announce_again_and_again(bench: Any) -> None:
    await bench.registry.announce(said())
    with pytest.raises(RegistrationRejected):
        await bench.registry.announce(said(instance_id="i2", context_limit=4096))
    await bench.registry.heartbeat(beat("i2"))
    assert bench.announcer.requests == 0
    bench.pass_time(31)
    await bench.registry.heartbeat(beat("i2", seq=3))
    assert bench.announcer.requests == 1


async def test_unknown_heartbeats_ask_for_announcements_but_not_in_a_storm(bench: Any) -> None:
    for seq in range(1, 50):
        await bench.registry.heartbeat(beat("stranger", seq=seq))
    assert bench.announcer.requests == 1
    bench.clock.seconds += 1.0
    await bench.registry.heartbeat(beat("stranger", seq=99))
    assert bench.announcer.requests == 2


async def test_the_silent_expire_within_the_lease_and_the_beating_do_not(bench: Any) -> None:
    await bench.registry.announce(said())
    await bench.registry.announce(said(instance_id="i2"))
    bench.pass_time(4)
    await bench.registry.heartbeat(beat("i2"))
    assert bench.pass_time(3) == ["i1"]
    assert [seen.instance.instance_id for seen in bench.views.model("m").instances] == ["i2"]


async def test_nobody_expires_while_the_bus_is_away_and_everybody_has_a_full_lease_afterwards(bench: Any) -> None:
    await bench.registry.announce(said())
    assert bench.pass_time(60, connected=False) == []
    assert bench.pass_time(5.5) == []
    assert bench.pass_time(2) == ["i1"]


async def test_nobody_expires_because_the_registry_itself_stood_still(bench: Any) -> None:
    await bench.registry.announce(said())
    bench.clock.seconds += 60
    assert bench.registry.sweep(connected=True) == []
    await bench.registry.heartbeat(beat())
    assert bench.pass_time(5) == []


async def test_there_is_room_for_so_many_instances_and_no_more(bench: Any) -> None:
    for number in range(4):
        await bench.registry.announce(said(instance_id=f"i{number}"))
    with pytest.raises(RegistryFull):
        await bench.registry.announce(said(instance_id="i9"))
    await bench.registry.announce(said(instance_id="i0", stamp=Stamp(1, 2)))


async def test_a_new_model_that_cannot_be_stored_is_not_registered_half(bench: Any) -> None:
    bench.store.away = True
    with pytest.raises(Unavailable):
        await bench.registry.announce(said())
    with pytest.raises(ModelNotFound):
        bench.views.model("m")
    bench.store.away = False
    await bench.registry.announce(said())
    assert len(bench.views.model("m").instances) == 1


async def test_a_known_model_needs_no_database_to_be_served(bench: Any) -> None:
    await bench.registry.announce(said())
    bench.store.away = True
    await bench.registry.announce(said(instance_id="i2"))
    assert len(bench.views.model("m").instances) == 2


async def test_a_new_default_replaces_the_former_one_in_one_write(bench: Any) -> None:
    await bench.registry.announce(said())
    await bench.registry.announce(said(instance_id="i2", model_id="n"))
    bench.store.saved.clear()
    await bench.curation.update("n", PolicyChange(default_flag=True))
    assert {entry.model_id: entry.default_flag for entry in bench.store.saved} == {"m": False, "n": True}
    assert not bench.views.model("m").entry.default_flag


async def test_policy_out_of_range_is_refused(bench: Any) -> None:
    await bench.registry.announce(said())
    with pytest.raises(InvalidField, match="priority"):
        await bench.curation.update("m", PolicyChange(priority=1001))
    with pytest.raises(ModelNotFound):
        await bench.curation.update("nobody", PolicyChange(priority=1))


async def test_calls_without_a_stamp_renew_in_their_own_order(bench: Any) -> None:
    for _ in range(3):
        await bench.registry.register(said(stamp=Stamp(0, 0)))
        assert bench.pass_time(5) == []
    await bench.registry.deregister("i1")
    with pytest.raises(InstanceNotFound):
        await bench.registry.deregister("i1")


async def test_a_call_that_is_repeated_renews_and_an_older_one_is_refused(bench: Any) -> None:
    await bench.registry.register(said(stamp=Stamp(5, 5)))
    bench.pass_time(4)
    await bench.registry.register(said(stamp=Stamp(5, 5)))
    assert bench.pass_time(4) == []
    with pytest.raises(RegistrationRejected):
        await bench.registry.register(said(stamp=Stamp(5, 4)))


async def test_a_watch_sends_everything_then_changes_with_growing_versions(bench: Any) -> None:
    await bench.registry.announce(said())
    async with aclosing(bench.views.watch()) as updates:
        first = await anext(updates)
        assert first.snapshot
        assert [view.entry.model_id for view in first.models] == ["m"]
        await bench.registry.announce(said(instance_id="i2"))
        second = await anext(updates)
        assert not second.snapshot
        assert second.version > first.version
        assert second.registry_epoch == first.registry_epoch
        assert len(second.models[0].instances) == 2


async def test_a_slow_watcher_gets_the_newest_state_once_per_model(bench: Any) -> None:
    async with aclosing(bench.views.watch()) as updates:
        await anext(updates)
        for seq in range(1, 200, 2):
            await bench.registry.announce(said(stamp=Stamp(1, seq)))
            await bench.registry.heartbeat(beat(seq=seq + 1, draining=True))
        await bench.registry.announce(said(instance_id="i2", model_id="n"))
        update = await anext(updates)
        assert [view.entry.model_id for view in update.models] == ["m", "n"]
        assert update.models[0].instances[0].instance.draining
        following = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        assert not following.done()
        bench.views.end_watches()
        with pytest.raises(StopAsyncIteration):
            await following


async def test_load_alone_wakes_no_watcher_and_expiry_does(bench: Any) -> None:
    await bench.registry.announce(said())
    async with aclosing(bench.views.watch()) as updates:
        first = await anext(updates)
        await bench.registry.heartbeat(beat())
        bench.pass_time(7)
        second = await anext(updates)
        assert second.version == first.version + 1
        assert second.models[0].instances == []
