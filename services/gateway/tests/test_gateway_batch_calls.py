"""Calls for one batch that meet: whatever happens, the batch that runs is the one that is told, with its results."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_common.errors import Unavailable
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.batches.desk import Desk, Row
from olo_gateway.batches.order import BatchOrder
from olo_gateway.calls.batch_records import BatchRecords
from olo_gateway.calls.batches import Batches
from olo_gateway.errors import BatchConflict, BatchNotFound
from olo_gateway.files.shelf import FileDraft, Shelf

CHAT = "/v1/chat/completions"


class Runs:
    """Workflows that end when they are told to. They write their records themselves."""

    def __init__(self, records: BatchRecords) -> None:
        self.records = records
        self.running: dict[str, pb.Batch] = {}
        self.over: dict[str, pb.Batch] = {}
        self.away = False

    async def start(self, work: pb.BatchWork) -> bool:
        new = work.batch.batch_id not in {**self.running, **self.over}
        if new:
            batch = self.running[work.batch.batch_id] = pb.Batch()
            batch.CopyFrom(work.batch)
        if self.away:
            raise Unavailable("no word from it")
        return new

    async def finish(self, batch_id: str) -> None:
        batch = self.over[batch_id] = self.running.pop(batch_id)
        batch.status, batch.output_file_id = pb.BATCH_STATUS_COMPLETED, "file-1"
        await self.records.put("t", batch)

    async def ended(self, batch_id: str) -> bool:
        if batch_id not in {**self.running, **self.over}:
            raise BatchNotFound
        return batch_id in self.over

    async def so_far(self, batch_id: str) -> pb.Batch | None:
        return self.running.get(batch_id)

    async def outcome(self, batch_id: str) -> pb.Batch | None:
        return self.over.get(batch_id)


class World:
    def __init__(self, place: Path) -> None:
        self.objects = ObjectDirectory(place)
        self.records = BatchRecords(self.objects)
        self.runs = Runs(self.records)
        self.shelf = Shelf(self.objects, 1024)
        endpoints: Any = {CHAT: None}
        self.batches = Batches(self.runs, self.objects, self.shelf, endpoints, window=2)  # type: ignore[arg-type]

    async def order(self, request_id: str = "once", **more: Any) -> BatchOrder:
        async def line() -> AsyncIterator[bytes]:
            yield b"{}"

        file = await self.shelf.take("t", FileDraft("in.jsonl", "batch"), line())
        return BatchOrder(file.file_id, CHAT, request_id=request_id, **more)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_record_that_was_written_over_is_mended_from_the_run(world: World) -> None:
    batch = await world.batches.create("t", await world.order())
    await world.runs.finish(batch.batch_id)
    # What a call has done that looked before the first one wrote, and stood still until now.
    await world.records.put("t", batch)
    for _ in range(2):
        found = await world.batches.get("t", batch.batch_id)
        assert (found.status, found.output_file_id) == (pb.BATCH_STATUS_COMPLETED, "file-1")
        world.runs.over.clear()  # its history is gone, and the record was mended
        world.runs.running.clear()


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("same", [False, True])
async def test_of_two_calls_with_one_id_at_once_the_later_is_told_of_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch, same: bool, over: bool
) -> None:
    first = await world.order()
    other = first if same else await world.order(metadata={"a": "b"})
    batch = await world.batches.create("t", first)
    if over:
        await world.runs.finish(batch.batch_id)
    looked = world.records.get

    async def too_early(tenant: str, batch_id: str) -> None:
        monkeypatch.setattr(world.batches._records, "get", looked)

    monkeypatch.setattr(world.batches._records, "get", too_early)
    if same:
        assert (await world.batches.create("t", other)).create_time == batch.create_time
    else:
        with pytest.raises(BatchConflict):
            await world.batches.create("t", other)
    found = await world.batches.get("t", batch.batch_id)
    assert (found.input_file_id, found.output_file_id) == (first.input_file_id, "file-1" if over else "")


async def test_a_batch_that_runs_is_not_forgotten_where_it_cannot_be_started_again(world: World) -> None:
    order = await world.order()
    batch = await world.batches.create("t", order)
    world.runs.away = True
    with pytest.raises(Unavailable):
        await world.batches.create("t", order)
    assert (await world.batches.get("t", batch.batch_id)).batch_id == batch.batch_id


async def test_a_batch_that_has_ended_before_its_creator_gave_up_keeps_its_results(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await world.order()
    start = world.runs.start

    async def lost(work: pb.BatchWork) -> bool:
        await start(work)
        await world.runs.finish(work.batch.batch_id)
        raise Unavailable("no word from it")

    monkeypatch.setattr(world.runs, "start", lost)
    with pytest.raises(Unavailable):
        await world.batches.create("t", order)
    monkeypatch.undo()
    assert (await world.batches.create("t", order)).output_file_id == "file-1"


@pytest.mark.parametrize("read", [0, 16])
async def test_results_that_are_read_while_the_batch_ends_are_those_of_its_files(
    world: World, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    batch = await world.batches.create("t", await world.order())
    desk = Desk(world.objects, "t", batch.batch_id)
    for line in range(20):
        await desk.put(Row(line, succeeded=True), b"row\n")
    content, seen = Desk.content, 0

    async def end_meanwhile(self: Desk, row: Row) -> bytes:
        nonlocal seen
        seen += 1
        if seen == read + 1:

            async def output() -> AsyncIterator[bytes]:
                yield b"row\n" * 20

            await world.shelf.write("t", FileDraft("out", "batch_output", file_id="file-1"), output())
            await world.runs.finish(batch.batch_id)
            await desk.clear()
        return await content(self, row)

    monkeypatch.setattr(Desk, "content", end_meanwhile)
    got: list[bytes] = []
    try:
        async for piece in world.batches.results("t", batch.batch_id):
            got.append(piece)
    except Unavailable:
        assert 0 < len(got) < 20
        got = [piece async for piece in world.batches.results("t", batch.batch_id)]
    assert b"".join(got) == b"row\n" * 20


async def test_what_was_never_begun_leaves_no_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: pb.BatchWork) -> bool:
        raise Unavailable("no word from it")

    monkeypatch.setattr(world.runs, "start", away)
    with pytest.raises(Unavailable):
        await world.batches.create("t", await world.order(request_id=""))
    assert await world.records.list("t") == []


async def test_the_same_call_again_needs_its_file_no_more(world: World) -> None:
    order = await world.order()
    batch = await world.batches.create("t", order)
    await world.shelf.delete("t", order.input_file_id)
    assert (await world.batches.create("t", order)).batch_id == batch.batch_id
