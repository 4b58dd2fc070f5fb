"""The gateway on real Temporal and NATS, with a router, a retrieval service and two models of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.worker import Worker
from tests.integration.gateway_peers import FakeModel
from tests.integration.gateway_world import World, asked, body, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import RagOptions
from olo.inference.v1.inference_service_pb2 import (
    Tool,
    ToolChoice,
)
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import llm_queue
from olo_contracts.vectors import unpack
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


async def test_a_plain_chat_is_selected_generated_and_explained(world: World) -> None:
    answer = await world.chat("hello")
    assert answer.message.content == "one says: hello [1]"
    assert answer.model == "one"
    assert answer.selection.chosen_index == 0
    assert [c.model_id for c in answer.selection.candidates] == ["one", "two"]
    assert {c.address for c in answer.selection.candidates} == {""}
    assert [r.model_id for r in answer.selection.rejections] == ["three"]
    assert [(a.candidate, a.model_id, a.failure_reason) for a in answer.attempts] == [(1, "one", "")]
    assert answer.timings.select.ToTimedelta().total_seconds() > 0
    assert answer.timings.total.ToTimedelta() >= answer.timings.generate.ToTimedelta()
    assert await world.steps(answer.run_id) == ["select", "generate"]
    await world.record("plain", answer.run_id)


async def test_the_form_that_is_asked_for_goes_to_the_model_and_comes_back(world: World) -> None:
    choice = ToolChoice(mode=ToolChoice.MODE_REQUIRED, name="look", single=True)
    answer = await world.chat("hello", tools=[Tool(name="look")], tool_choice=choice, n=2, metadata={"a": "b"})
    assert [call.name for call in answer.message.tool_calls] == ["look"]
    assert [alternative.text for alternative in answer.alternatives] == ["answer 2"]
    await world.record("forms", answer.run_id)


async def test_a_run_begins_without_a_round_trip_to_the_queue(world: World) -> None:
    async def eager() -> bool:
        handle = world.client.get_workflow_handle((await world.chat("hello")).run_id)
        events = [event async for event in handle.fetch_history_events()]
        return events[0].workflow_execution_started_event_attributes.eager_execution_accepted

    # Right after the start, the worker may not have registered yet.
    await until(eager)


async def test_passages_come_first_and_are_cited(world: World) -> None:
    answer = await world.chat("Where?", rag=RagOptions(collection="demo"))
    assert answer.message.content == "one says: Question: Where? [1]"
    assert answer.usage.prompt_tokens == 2
    assert [(c.index, c.document_id, c.cited) for c in answer.citations] == [(1, "nile", True), (2, "nile", False)]
    assert await world.steps(answer.run_id) == ["retrieve", "select", "generate"]
    await world.record("rag", answer.run_id)


async def test_a_failed_candidate_is_followed_by_the_next(world: World) -> None:
    answer = await world.chat("fall back")
    assert answer.message.content == "two says: fall back [1]"
    assert answer.selection.chosen_index == 1
    assert [a.failure_reason for a in answer.attempts] == ["empty_output", ""]
    await world.record("fallback", answer.run_id)


async def test_a_queue_without_workers_costs_seconds_and_then_the_run_fails_cleanly(world: World) -> None:
    with pytest.raises(OloError) as caught:
        await world.chat("hello", model="nobody", timeout=Duration(seconds=1))
    assert caught.value.reason in ("model_unavailable", "deadline_exceeded")


async def test_a_model_that_comes_back_in_time_answers(world: World) -> None:
    model_id = f"late-{key()}"
    request_id = key()
    waiting = asyncio.create_task(world.chat("hello", model=model_id, request_id=request_id))

    async def given_up_once() -> bool:
        # Runs of earlier tests may still be about.
        runs = world.client.list_workflows(f"WorkflowId = 'run-{request_id}'")
        steps = [await world.steps(run.id) async for run in runs]
        return any(names.count("select") == 2 for names in steps)

    await until(given_up_once)
    late = FakeModel(model_id, world.models["one"].bus)
    async with Worker(world.client, task_queue=llm_queue(model_id), activities=[late.generate]):
        answer = await waiting
    assert [a.failure_reason for a in answer.attempts] == ["schedule_to_start_timeout", ""]
    assert answer.selection.chosen_index == 1
    await world.record("second_round", answer.run_id)


async def test_runs_that_wait_for_a_peer_hold_nobody_up_and_go_on_when_it_is_back(world: World) -> None:
    many = world.settings.max_concurrent_workflow_tasks + 8
    waiting = [asyncio.create_task(world.chat("hello", model="restarting")) for _ in range(many)]

    async def more_refused_than_there_are_slots() -> bool:
        return world.router.asked.count("restarting") > many

    await until(more_refused_than_there_are_slots)
    await world.chat("hello")
    assert not any(task.done() for task in waiting)
    world.router.back.set()
    for answer in await asyncio.gather(*waiting):
        assert answer.model == "one"
        last = answer.run_id
    await world.record("waited_for_peer", last)


async def test_another_instance_resumes_what_a_lost_worker_has_begun(world: World) -> None:
    answer = await world.chat("fall silent once")
    assert answer.message.content == "one says: fall silent once [1] after [7, 8]"
    assert [(a.candidate, a.model_id, a.failure_reason) for a in answer.attempts] == [
        (1, "one", "heartbeat_timeout"),
        (2, "one", ""),
    ]
    assert [c.model_id for c in answer.selection.candidates] == ["one", "one", "two"]
    assert answer.selection.chosen_index == 1
    await world.record("lost_worker", answer.run_id)


async def test_a_request_that_two_workers_fall_silent_over_gets_no_third(world: World) -> None:
    request_id = key()
    with pytest.raises(OloError) as caught:
        await world.chat("kill", request_id=request_id)
    assert caught.value.reason == "request_poisoned"
    assert (await world.steps(f"run-{request_id}")).count("generate") == 2
    await world.record("poison", f"run-{request_id}")


async def test_a_crash_of_a_model_is_retried_and_its_text_is_not_told(world: World) -> None:
    answer = await world.chat("crash")
    assert answer.message.content == "one says: crash [1]"


@pytest.mark.parametrize(
    ("said", "fields", "code", "reason", "field"),
    [
        ("hello", {"model": "missing"}, ErrorCode.NOT_FOUND, "model_not_found", "model"),
        ("hello", {"model": "gone"}, ErrorCode.UNAVAILABLE, "no_model_available", None),
        ("hello", {"rag": RagOptions(collection="other")}, ErrorCode.NOT_FOUND, "collection_not_found", "collection"),
        ("refuse", {}, ErrorCode.INVALID_ARGUMENT, "field_invalid", "sampling.temperature"),
        ("too long", {}, ErrorCode.INVALID_ARGUMENT, "context_too_long", "messages"),
        ("full", {"model": "two"}, ErrorCode.RESOURCE_EXHAUSTED, "queue_full", None),
        ("stop", {"model": "two"}, ErrorCode.UNAVAILABLE, "model_unavailable", "model"),
        ("", {}, ErrorCode.INVALID_ARGUMENT, "field_invalid", "messages[0].content"),
        ("wait", {"timeout": Duration(seconds=1)}, ErrorCode.DEADLINE_EXCEEDED, "deadline_exceeded", None),
    ],
    ids=["missing", "gone", "collection", "refused", "too-long", "full", "stopping", "empty", "deadline"],
)
async def test_an_error_reaches_the_caller_as_it_was_raised(
    world: World, said: str, fields: dict[str, Any], code: ErrorCode, reason: str, field: str | None
) -> None:
    request_id = key()
    with pytest.raises(OloError) as caught:
        await world.chat(said, request_id=request_id, **fields)
    assert (caught.value.code, caught.value.reason, caught.value.field) == (code, reason, field)
    assert caught.value.metadata.get("run_state") == ("failed" if said else None)
    if reason in ("no_model_available", "queue_full"):
        assert caught.value.retry_after in (2.0, 1.5)
    if said:
        shown = await call(
            world.gateway.GetRun, gateway.GetRunRequest(run_id=f"run-{request_id}"), peer="gateway", timeout=5
        )
        assert shown.run.state == run_pb2.RUN_STATE_FAILED
        assert shown.run.error.reason == reason
    if said in ("too long", "wait"):
        await world.record("failure" if said == "too long" else "timeout", f"run-{request_id}")


async def test_that_no_model_is_there_is_told_after_one_question_to_the_router(world: World) -> None:
    request_id = key()
    headers = {"Idempotency-Key": request_id}
    before = world.router.asked.count("gone")
    answer = await world.http.post("/v1/chat/completions", json=body("hello", model="gone"), headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["code"] == "no_model_available"
    assert await world.steps(f"run-{request_id}") == ["select"]
    assert world.router.asked.count("gone") == before + 1


async def test_the_stream_is_the_answer_whatever_happened_on_the_way(world: World) -> None:
    for said, resets in (("hello", 0), ("stream and fall back", 1), ("crash", 0)):
        text, begun, seen, completed = "", "", 0, None
        request = gateway.ChatStreamRequest(request=asked(said))
        async for event in world.gateway.ChatStream(request, timeout=30):
            match event.WhichOneof("event"):
                case "started":
                    begun = event.started.run_id
                case "reset":
                    text, seen = "", seen + 1
                case "delta":
                    assert event.delta.offset == len(text.encode())
                    text += event.delta.text
                case "completed":
                    completed = event.completed
        assert completed is not None
        assert text == completed.message.content
        assert begun == completed.run_id
        assert seen == resets


async def test_one_request_id_is_one_run(world: World) -> None:
    request_id = key()
    answers = await asyncio.gather(*(world.chat("hello", request_id=request_id) for _ in range(4)))
    answers.append(await world.chat("hello", request_id=request_id))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    runs = [run async for run in world.client.list_workflows(f"WorkflowId = 'run-{request_id}'")]
    assert len(runs) <= 1
    with pytest.raises(OloError) as caught:
        await world.chat("something else", request_id=request_id)
    assert caught.value.reason == "request_id_conflict"


async def test_a_cancelled_run_ends_and_says_so(world: World) -> None:
    request_id = key()
    run_id = f"run-{request_id}"
    waiting = asyncio.create_task(world.chat("wait", request_id=request_id))
    await world.models["one"].begun.setdefault(run_id, asyncio.Event()).wait()
    await call(world.gateway.CancelRun, gateway.CancelRunRequest(run_id=run_id), peer="gateway", timeout=5)
    with pytest.raises(OloError) as caught:
        await waiting
    assert caught.value.reason == "run_cancelled"
    again = await call(world.gateway.CancelRun, gateway.CancelRunRequest(run_id=run_id), peer="gateway", timeout=5)
    assert again.run.state == run_pb2.RUN_STATE_CANCELLED
    await world.record("cancel", run_id)

    async def stopped() -> bool:
        return run_id in world.models["one"].cancelled

    await until(stopped)


async def test_a_hang_up_cancels_the_run_unless_the_caller_may_come_back(world: World) -> None:
    for request_id, expected in (("", run_pb2.RUN_STATE_CANCELLED), (key(), run_pb2.RUN_STATE_RUNNING)):
        stream = world.gateway.ChatStream(gateway.ChatStreamRequest(request=asked("wait", request_id=request_id)))
        async for event in stream:
            run_id = event.started.run_id
            break
        await world.models["one"].begun.setdefault(run_id, asyncio.Event()).wait()
        stream.cancel()
        request = gateway.GetRunRequest(run_id=run_id)

        async def ended(request: gateway.GetRunRequest = request) -> bool:
            shown = await call(world.gateway.GetRun, request, peer="gateway", timeout=5)
            return bool(shown.run.state != run_pb2.RUN_STATE_RUNNING)

        if expected == run_pb2.RUN_STATE_CANCELLED:
            await until(ended)
        else:
            assert not await ended()
            await call(world.gateway.CancelRun, gateway.CancelRunRequest(run_id=run_id), peer="gateway", timeout=5)


async def test_runs_are_shown_and_listed_in_pages(world: World) -> None:
    answers = [await world.chat("hello") for _ in range(3)]
    shown = await call(world.gateway.GetRun, gateway.GetRunRequest(run_id=answers[0].run_id), peer="gateway", timeout=5)
    assert shown.run.response == answers[0]
    assert shown.run.HasField("end_time")

    async def listed() -> bool:
        ids, token = set[str](), ""
        for _ in range(60):
            request = gateway.ListRunsRequest(page_size=2, page_token=token)
            page = await call(world.gateway.ListRuns, request, peer="gateway", timeout=5)
            assert len(page.runs) <= 2
            ids |= {run.run_id for run in page.runs}
            token = page.next_page_token
            if not token:
                break
        return {answer.run_id for answer in answers} <= ids

    await until(listed)
    for wrong in ("!", "bm9uc2Vuc2U="):
        with pytest.raises(OloError) as caught:
            request = gateway.ListRunsRequest(page_token=wrong)
            await call(world.gateway.ListRuns, request, peer="gateway", timeout=5)
        assert caught.value.field == "page_token"
    with pytest.raises(OloError) as missing:
        await call(world.gateway.GetRun, gateway.GetRunRequest(run_id="run-none"), peer="gateway", timeout=5)
    assert missing.value.reason == "run_not_found"


async def test_models_vectors_and_collections_come_from_their_services(world: World) -> None:
    models = await call(world.gateway.ListModels, gateway.ListModelsRequest(), peer="gateway", timeout=5)
    assert [(m.model_id, m.available, m.in_flight) for m in models.models] == [("one", True, 1), ("two", False, 0)]
    vectors = await call(world.gateway.Embed, gateway.EmbedRequest(texts=["a", "b"]), peer="gateway", timeout=5)
    assert unpack(vectors.vectors) == [[0.5, 1.0], [0.5, 1.0]]
    documents: Any = retrieval_grpc.RetrievalServiceStub(world.channel)
    request = retrieval.GetCollectionRequest(name="demo", tenant="somebody else")
    found = await call(documents.GetCollection, request, peer="gateway", timeout=5)
    assert found.collection.name == "default/demo"
    with pytest.raises(OloError) as caught:
        missing = retrieval.GetCollectionRequest(name="x")
        await call(documents.GetCollection, missing, peer="gateway", timeout=5)
    assert (caught.value.reason, caught.value.field) == ("collection_not_found", "name")


async def test_the_openai_client_is_answered(world: World) -> None:
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{world.http_port}/v1", api_key="none", max_retries=0)
    async with client:
        messages: list[Any] = [{"role": "user", "content": "Where?"}]
        answer = await client.chat.completions.create(
            model="auto", messages=messages, extra_body={"rag": {"collection": "demo", "top_k": 2}}
        )
        assert answer.choices[0].message.content == "one says: Question: Where? [1]"
        extra: Any = answer.model_extra
        assert [c["cited"] for c in extra["olo"]["citations"]] == [True, False]
        stream = await client.chat.completions.create(model="auto", messages=messages, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
        assert text == "one says: Where? [1]"
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="missing", messages=messages, stream=True)


async def test_without_temporal_the_caller_is_told_soon_and_health_says_why(nats_url: str) -> None:
    settings = GatewaySettings(
        port=0,
        http_port=free_port(),
        nats=NatsSettings(url=nats_url),
        temporal=TemporalSettings(address=f"127.0.0.1:{free_port()}"),
        grace_seconds=1,
    )
    async with (
        running(settings, Lifetime()),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=30) as http,
    ):
        began = time.monotonic()
        answer = await http.post("/v1/chat/completions", json=body("hello"))
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "dependency_unavailable"
        assert "retry-after" in answer.headers
        assert time.monotonic() - began < 15
        health = await http.get("/healthz")
        assert (health.status_code, health.json()["missing"]) == (503, ["temporal"])
