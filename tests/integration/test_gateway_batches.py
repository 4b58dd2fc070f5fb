"""Batches and files on real Temporal and NATS, asked for by the OpenAI SDK."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.integration.batch_world import CHAT, batch_worlds, create, ended, jsonl, line, reached, rows
from tests.integration.gateway_world import World, key

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_client import AsyncOlo
from olo_client.errors import InvalidRequestError, NotFoundError
from olo_gateway.adapters.batch_runs import TemporalBatches
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.calls import batches
from olo_gateway.calls.batch_records import BatchRecords
from olo_testing.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str, place: Path) -> AsyncIterator[World]:
    async with batch_worlds(nats_url, temporal_address, place) as built:
        yield built


@pytest.fixture
async def client(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{world.http_port}/v1", api_key="any", max_retries=0
    ) as opened:
        yield opened


async def test_a_batch_is_answered_line_by_line(world: World, client: openai.AsyncOpenAI, place: Path) -> None:
    lines: list[Any] = [line(f"n{n}", f"question {n}") for n in range(7)]
    lines.insert(3, b"\n")
    lines.append(line("wrong", "refuse"))
    began = await create(client, lines, metadata={"night": "1"}, extra_headers={"Idempotency-Key": key()})
    assert began.status in ("validating", "in_progress")
    done = await ended(client, began.id)
    assert (done.status, done.errors, done.metadata) == ("completed", None, {"night": "1"})
    counts = done.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (8, 7, 1)
    answered = await rows(client, done.output_file_id)
    assert [row["custom_id"] for row in answered] == [f"n{n}" for n in range(7)]
    for n, row in enumerate(answered):
        assert (row["error"], row["response"]["status_code"]) == (None, 200)
        assert row["response"]["body"]["choices"][0]["message"]["content"] == f"one says: question {n} [1]"
        assert row["response"]["request_id"] == f"run-{began.id}.{n}.1"
    [refused] = await rows(client, done.error_file_id)
    assert (refused["custom_id"], refused["response"]["status_code"]) == ("wrong", 400)
    assert refused["response"]["body"]["error"]["code"] == "field_invalid"
    assert len({row["id"] for row in [*answered, refused]}) == 8
    assert done.output_file_id is not None
    file = await client.files.retrieve(done.output_file_id)
    assert (file.purpose, file.filename) == ("batch_output", f"{began.id}_output.jsonl")
    streamed = await world.http.get(f"/v1/batches/{began.id}/results")
    assert [json.loads(each) for each in streamed.text.splitlines()] == [*answered, refused]
    # What only the running batch needed is gone.
    await until_gone(place / "work/default" / began.id)
    described = await world.client.get_workflow_handle(f"run-{began.id}.0.1").describe()
    assert described.raw_description.workflow_execution_info.priority.priority_key == 5
    await world.record("batch", began.id)


async def test_responses_of_a_batch_can_be_continued(client: openai.AsyncOpenAI) -> None:
    first = await client.responses.create(model="one", input="hello")
    bodies: list[Any] = [
        {"model": "one", "input": "and then", "previous_response_id": first.id},
        {"model": "one", "input": "and then", "previous_response_id": "resp_run-gone"},
    ]
    lines = [
        {"custom_id": str(number), "method": "POST", "url": "/v1/responses", "body": body}
        for number, body in enumerate(bodies)
    ]
    batch = await ended(client, (await create(client, lines, endpoint="/v1/responses")).id)
    [answered] = await rows(client, batch.output_file_id)
    whole = answered["response"]["body"]
    assert (whole["object"], whole["previous_response_id"]) == ("response", first.id)
    assert whole["output"][0]["content"][0]["text"] == "one says: and then [1]"
    third = await client.responses.create(model="one", input="and now", previous_response_id=whole["id"])
    assert third.output_text == "one says: and now [1]"
    [refused] = await rows(client, batch.error_file_id)
    assert refused["response"]["body"]["error"]["code"] == "previous_response_not_found"


async def until_gone(folder: Path) -> None:
    async def gone() -> bool:
        return not any(path.is_file() for path in folder.rglob("*"))

    await until(gone, 60)


async def test_lines_that_cannot_be_run_fail_the_batch_before_any_is(world: World, client: openai.AsyncOpenAI) -> None:
    asked = len(world.models["one"].begun)
    lines = [
        line("a"),
        b"\n",
        b"{not json\n",
        line("a"),
        line("b", url="/v1/embeddings"),
        line("c", body={"temperature": 7}),
        line("d", body={"stream": True}),
        line("e", body={"messages": []}),
        b'{"custom_id": 7}\n',
        b"[]\n",
    ]
    batch = await ended(client, (await create(client, lines)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    told = [(error.line, error.code, error.param) for error in batch.errors.data]
    assert told == [
        (3, "invalid_json_line", None),
        (4, "duplicate_custom_id", "custom_id"),
        (5, "mismatched_endpoint", "url"),
        (6, "field_invalid", "body.sampling.temperature"),
        (7, "invalid_body", "body.stream"),
        (8, "messages_missing", "body.messages"),
        (9, "invalid_custom_id", "custom_id"),
        (10, "invalid_json_line", None),
    ]
    assert (batch.output_file_id, batch.failed_at is None) == (None, False)
    assert len(world.models["one"].begun) == asked
    await world.record("batch_failed", batch.id)


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [([line(str(n)) for n in range(41)], "too_many_lines", 41), ([b"\n\n"], "empty_file", None)],
    ids=["many", "none"],
)
async def test_too_many_lines_or_none(
    client: openai.AsyncOpenAI, lines: list[Any], code: str, number: int | None
) -> None:
    batch = await ended(client, (await create(client, lines)).id)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(error.code, error.line) for error in batch.errors.data] == [(code, number)]


async def test_a_batch_is_paused_and_resumed(world: World, client: openai.AsyncOpenAI) -> None:
    # None of these lines can end before the models are let go.
    began = await create(client, [line(str(n), "wait") for n in range(5)])

    async def in_flight() -> bool:
        return len(started(world, began.id)) == 3

    await until(in_flight, 60)
    paused = (await world.http.post(f"/v1/batches/{began.id}/pause")).json()
    assert paused["id"] == began.id
    await reached(client, began.id, lambda batch: bool(batch.model_extra and batch.model_extra["paused"]))
    for run_id in started(world, began.id):
        await world.client.get_workflow_handle(run_id).cancel()
    await reached(client, began.id, lambda batch: batch.request_counts is not None and batch.request_counts.failed == 3)
    assert len(started(world, began.id)) == 3
    partial = [json.loads(row) for row in (await world.http.get(f"/v1/batches/{began.id}/results")).text.splitlines()]
    assert [row["custom_id"] for row in partial] == ["0", "1", "2"]
    assert {row["response"]["body"]["error"]["code"] for row in partial} == {"run_cancelled"}
    await world.http.post(f"/v1/batches/{began.id}/resume")

    async def all_in_flight() -> bool:
        return len(started(world, began.id)) == 5

    await until(all_in_flight, 60)
    assert (await client.batches.cancel(began.id)).status in ("cancelling", "cancelled")
    batch = await ended(client, began.id)
    assert batch.status == "cancelled"
    failed = await rows(client, batch.error_file_id)
    assert [row["custom_id"] for row in failed] == ["0", "1", "2", "3", "4"]
    assert [row["error"]["code"] for row in failed[3:]] == ["batch_cancelled"] * 2
    with pytest.raises(openai.APIStatusError) as refused:
        await client.batches.cancel(began.id)
    assert refused.value.status_code == 412

    async def stopped() -> bool:
        return started(world, began.id)[3:] == [
            run_id for run_id in started(world, began.id)[3:] if run_id in world.models["one"].cancelled
        ]

    await until(stopped, 60)
    await world.record("batch_paused_cancelled", began.id)


def started(world: World, batch_id: str) -> list[str]:
    return sorted(run_id for run_id in world.models["one"].begun if run_id.startswith(f"run-{batch_id}."))


async def test_a_long_batch_goes_on_in_further_parts(
    world: World, client: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LINES_PER_PART", 4)
    batch = await ended(client, (await create(client, [line(f"n{n}") for n in range(10)])).id)
    assert batch.status == "completed"
    assert [row["custom_id"] for row in await rows(client, batch.output_file_id)] == [f"n{n}" for n in range(10)]
    parts = [part async for part in world.client.list_workflows(f"WorkflowId = '{batch.id}'")]
    assert len(parts) == 3
    await world.record("batch_last_part", batch.id)


async def test_a_batch_expires_with_what_is_done(world: World, client: openai.AsyncOpenAI, place: Path) -> None:
    began = await create(client, [line("a"), line("b")])
    template = await ended(client, began.id)
    batch = pb.Batch(
        batch_id=f"batch_{key()}",
        endpoint=CHAT,
        input_file_id=template.input_file_id,
        status=pb.BATCH_STATUS_VALIDATING,
        completion_window={"seconds": 60},
        create_time={"seconds": int(time.time()) - 61},
    )
    await BatchRecords(ObjectDirectory(place)).put("default", batch)
    work = pb.BatchWork(batch=batch, tenant="default", window=2, lines_per_part=10)
    await TemporalBatches(world.client).start(work)
    expired = await ended(client, batch.batch_id)
    assert (expired.status, expired.output_file_id) == ("expired", None)
    assert [row["error"]["code"] for row in await rows(client, expired.error_file_id)] == ["batch_expired"] * 2
    assert expired.expired_at is not None
    await world.record("batch_expired", batch.batch_id)


async def test_a_batch_that_was_terminated_says_so(world: World, client: openai.AsyncOpenAI) -> None:
    began = await create(client, [line("a", "wait")])
    await reached(client, began.id, lambda batch: batch.status == "in_progress")
    await world.client.get_workflow_handle(began.id).terminate()
    batch = await ended(client, began.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [error.code for error in batch.errors.data or ()] == ["internal"]


async def test_a_batch_whose_creator_died_says_so(client: openai.AsyncOpenAI, place: Path) -> None:
    for age, status in ((61, "failed"), (0, "validating")):
        batch = pb.Batch(batch_id=f"batch_{key()}", endpoint=CHAT, status=pb.BATCH_STATUS_VALIDATING)
        batch.create_time.seconds = int(time.time()) - age
        await BatchRecords(ObjectDirectory(place)).put("default", batch)
        assert (await client.batches.retrieve(batch.batch_id)).status == status


async def test_the_same_key_is_the_same_batch(client: openai.AsyncOpenAI) -> None:
    file = await client.files.create(file=("in.jsonl", jsonl([line("a")])), purpose="batch")
    asked: dict[str, Any] = {
        "input_file_id": file.id,
        "endpoint": CHAT,
        "completion_window": "24h",
        "extra_headers": {"Idempotency-Key": key()},
    }
    first, second = await client.batches.create(**asked), await client.batches.create(**asked)
    assert first.id == second.id
    with pytest.raises(openai.ConflictError):
        await client.batches.create(**{**asked, "metadata": {"a": "b"}})
    await client.files.delete(file.id)
    assert (await ended(client, first.id)).status in ("completed", "failed")
    await create(client, [line("b")])
    page = await client.batches.list(limit=1)
    assert page.has_more
    following = await client.batches.list(limit=1, after=page.data[0].id)
    assert following.data[0].id != page.data[0].id


@pytest.mark.parametrize(
    ("purpose", "asked", "status", "code", "param"),
    [
        ("assistants", {}, 400, "field_invalid", "input_file_id"),
        ("batch", {"endpoint": "/v1/images"}, 400, "endpoint_unknown", "endpoint"),
        ("batch", {"completion_window": "soon"}, 400, "field_invalid", "completion_window"),
        ("batch", {"completion_window": "31d"}, 400, "field_invalid", "completion_window"),
        ("batch", {"metadata": {"": "x"}}, 400, "field_invalid", "metadata"),
        ("batch", {"input_file_id": "file-0"}, 404, "file_not_found", "input_file_id"),
        ("batch", {"input_file_id": None}, 400, "field_invalid", "input_file_id"),
    ],
)
async def test_what_is_no_batch(
    world: World, client: openai.AsyncOpenAI, purpose: Any, asked: dict[str, Any], status: int, code: str, param: str
) -> None:
    file = await client.files.create(file=("in.jsonl", jsonl([line("a")])), purpose=purpose)
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **asked}
    answer = await world.http.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
        status,
        code,
        param,
    )
    for path in ("batch_x", f"batch_{key()}"):
        missing = await world.http.get(f"/v1/batches/{path}")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "batch_not_found")


async def test_files_are_listed_downloaded_and_deleted(world: World, client: openai.AsyncOpenAI) -> None:
    file = await client.files.create(
        file=("näme.txt", b"hello"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert (file.bytes, file.filename, file.status) == (5, "näme.txt", "processed")
    assert file.expires_at == file.created_at + 3600
    listed = [each async for each in client.files.list(purpose="user_data", limit=1)]
    assert listed == [file]
    content = await client.files.content(file.id)
    assert content.content == b"hello"
    assert "attachment" in content.response.headers["content-disposition"]
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.content(file.id)
    for form, sent, code, param in (
        ({"purpose": "none"}, b"x", "field_invalid", "purpose"),
        ({}, b"x", "field_invalid", "purpose"),
        ({"purpose": "batch"}, b"", "file_empty", "file"),
        ({"purpose": "batch"}, None, "field_invalid", "file"),
        ({"purpose": "batch"}, b"x" * 65_537, "file_too_large", "file"),
    ):
        answer = await world.http.post("/v1/files", data=form, files=None if sent is None else {"file": sent})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        assert answer.json()["error"]["param"] == param
    large = await world.http.post("/v1/files", data={"purpose": "batch"}, files={"file": b"x" * 200_000})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


async def test_the_sdk_does_the_same_over_grpc(world: World) -> None:
    target = f"127.0.0.1:{world.settings.port}"
    async with AsyncOlo(target) as client:
        file = await client.files.upload(b"x" * 3_000, purpose="user_data", filename="x.bin", expires_after=3600)
        assert b"".join([piece async for piece in client.files.read(file.file_id)]) == b"x" * 3_000
        assert [each async for each in client.files.list(purpose="user_data")] == [file]
        for sent, wanted in ((b"x" * 70_000, "file_too_large"), (b"", "file_empty")):
            with pytest.raises(InvalidRequestError) as refused:
                await client.files.upload(sent, purpose="batch", filename="x")
            assert refused.value.reason == wanted
        with pytest.raises(NotFoundError):
            [_ async for _ in client.files.read("file-0")]
        with pytest.raises(NotFoundError):
            await client.batches.create("file-0")
        file = await client.files.upload(jsonl([line("a")]), purpose="batch", filename="x")
        request_id = key()
        first = await client.batches.create(file.file_id, request_id=request_id, completion_window=600)
        again = await client.batches.create(file.file_id, request_id=request_id, completion_window=600)
        assert again.batch_id == first.batch_id

        async def completed() -> bool:
            return (await client.batches.get(first.batch_id)).status == pb.BATCH_STATUS_COMPLETED

        await until(completed, 60)
        rows = [json.loads(piece) async for piece in client.batches.results(first.batch_id)]
        assert [row["custom_id"] for row in rows] == ["a"]
        assert [each.batch_id async for each in client.batches.list(limit=1)] == [first.batch_id]
        for call in (client.batches.pause, client.batches.resume, client.batches.cancel):
            with pytest.raises(InvalidRequestError) as over:
                await call(first.batch_id)
            assert over.value.reason == "batch_ended"
