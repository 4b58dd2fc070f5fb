"""The gateway on real Temporal and NATS, with a router, a retrieval service and two models of the test's own."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import grpc
import httpx
import openai
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from olo.embedding.v1 import embedding_service_pb2 as embedding
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, RagOptions
from olo.inference.v1.inference_service_pb2 import (
    COMPANY_ALONE,
    COMPANY_SHARED,
    COMPANY_UNSPECIFIED,
    FINISH_REASON_STOP,
    ROLE_USER,
    Alternative,
    ChatMessage,
    GenerateProgress,
    GenerateRequest,
    GenerateResponse,
    TokenChunk,
    Tool,
    ToolCall,
    ToolChoice,
)
from olo.registry.v1 import registry_service_pb2 as registry
from olo.registry.v1 import registry_service_pb2_grpc as registry_grpc
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo.router.v1 import router_service_pb2 as router
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, InvalidField, OloError, RemoteError
from olo_common.failures import to_application_error
from olo_common.grpc_client import call, channel
from olo_common.grpc_interceptors import ErrorInterceptor
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.payload_store import data_converter
from olo_common.settings import NatsSettings, PayloadSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import stream_subject
from olo_contracts.vectors import pack, unpack
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.histories import recorded
from olo_testing.ports import free_port

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

pytestmark = pytest.mark.integration

HISTORIES = Path(__file__).parents[2] / "services/gateway/tests/histories"
RECORD = os.environ.get("OLO_RECORD_HISTORIES") == "1"
"""Set it to record the kinds of histories that `test_gateway_replay.py` does not have yet."""


def candidate(model_id: str, free_slots: int = 4) -> router.Candidate:
    return router.Candidate(
        model_id=model_id,
        task_queue=llm_queue(model_id),
        score=1.0,
        reason=router.SELECTION_REASON_PRIORITY,
        address="127.0.0.1:1",
        free_slots=free_slots,
    )


class FakeRouter(router_grpc.RouterServiceServicer):
    def __init__(self) -> None:
        self.embedding_address = ""
        self.asked: list[str] = []
        self.back = asyncio.Event()
        self.absent: set[str] = set()
        """Models that are known and have no instance."""
        self.shadow: router.Shadow | None = None

    async def SelectModels(self, request: Any, context: Any) -> router.SelectModelsResponse:
        self.asked.append(request.model)
        if request.model_type == 2:
            chosen = router.Candidate(model_id="minilm", address=self.embedding_address)
            return router.SelectModelsResponse(candidates=[chosen])
        if request.model == "restarting" and not self.back.is_set():
            raise RemoteError(ErrorCode.UNAVAILABLE, "dependency_unavailable", "not yet", retry_after=1.0)
        if request.model == "missing":
            raise RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "there is no such model", field="model")
        if request.model == "unmet":
            raise RemoteError(ErrorCode.FAILED_PRECONDITION, "constraints_unmet", "none", field="constraints.labels")
        if request.model == "gone" or request.model in self.absent:
            raise RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "no model is there", retry_after=2.0)
        if request.model and request.model != "restarting":
            return router.SelectModelsResponse(candidates=[candidate(request.model)], shadow=self.shadow)
        rejections = [router.Rejection(model_id="three", filter="enabled", detail="disabled")]
        return router.SelectModelsResponse(
            candidates=[candidate("one"), candidate("two")], rejections=rejections, shadow=self.shadow
        )


class FakeRetrieval(retrieval_grpc.RetrievalServiceServicer):
    async def Search(self, request: Any, context: Any) -> retrieval.SearchResponse:
        assert request.tenant == "default"
        if request.collection != "demo":
            raise RemoteError(ErrorCode.NOT_FOUND, "collection_not_found", "no such collection", field="collection")
        passages = [
            retrieval.Passage(
                chunk_id=f"c{n}", document_id="nile", title="Nile", source="nile.md", score=0.9, text=text
            )
            for n, text in enumerate(["The Nile\nrises in Burundi.", "It flows north."])
        ]
        return retrieval.SearchResponse(passages=passages[: request.top_k])

    async def GetCollection(self, request: Any, context: Any) -> retrieval.GetCollectionResponse:
        if request.name != "demo":
            raise RemoteError(ErrorCode.NOT_FOUND, "collection_not_found", "no such collection", field="name")
        return retrieval.GetCollectionResponse(collection=retrieval.Collection(name=f"{request.tenant}/demo"))


class FakeRegistry(registry_grpc.RegistryServiceServicer):
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def GetModel(self, request: Any, context: Any) -> registry.GetModelResponse:
        self.asked.append(request.model_id)
        living = registry.Instance(instance_id="starved", state=registry.INSTANCE_STATE_READY)
        return registry.GetModelResponse(model=registry.Model(model_id=request.model_id, instances=[living]))

    async def ListModels(self, request: Any, context: Any) -> registry.ListModelsResponse:
        ready = registry.Instance(instance_id="i", in_flight=1, state=registry.INSTANCE_STATE_READY)
        return registry.ListModelsResponse(
            models=[registry.Model(model_id="one", enabled=True, instances=[ready]), registry.Model(model_id="two")]
        )


class FakeEmbedder(embedding_grpc.EmbeddingServiceServicer):
    async def Embed(self, request: Any, context: Any) -> embedding.EmbedResponse:
        return embedding.EmbedResponse(model_id="minilm", vectors=pack([[0.5, 1.0] for _ in request.texts]))


class FakeModel:
    """Does what the question says."""

    isolations: ClassVar[dict[str, list[int]]] = {}
    """Of all attempts of a run, on any model."""

    def __init__(self, model_id: str, bus: NatsBus) -> None:
        self.model_id = model_id
        self.bus = bus
        self.cancelled: set[str] = set()
        self.begun: dict[str, asyncio.Event] = {}
        self.long = 0

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        self.begun.setdefault(request.request_id, asyncio.Event()).set()
        said = request.messages[-1].content
        text = f"{self.model_id} says: {said.splitlines()[-1]} [1]"
        attempt = activity.info().attempt
        if said == "agree":
            text = "agreed"
        if said.startswith("two: "):
            said = said.removeprefix("two: ") if self.model_id == "two" else ""
        try:
            if said in ("fall silent once", "kill", "die", "starve twice", "die unheard"):
                await self._fall_silent(request, said)
                text += f" after {list(request.prefix_token_ids)}"
            if said.startswith("in company"):
                self._lose(request, len(said.split()) - 2)
                text += f" {self.isolations.pop(request.request_id)}"
            if said == "kill engines alone":
                self._lose(request, 9)
            if said in ("lose an engine", "kill engines") and not (said == "lose an engine" and request.candidate > 1):
                lost = RemoteError(ErrorCode.UNAVAILABLE, "engine_lost", "the engine has died")
                raise to_application_error(lost, beside=[GenerateProgress(token_ids=[7])])
            if said == "lose an engine":
                text += f" after {list(request.prefix_token_ids)}"
            if said.startswith("be long"):
                self.long += 1
                text = "long " * (int(said.split()[2]) // 5)
            if said == "fail":
                raise RemoteError(ErrorCode.UNAVAILABLE, "generation_stalled", "no progress")
            if said == "stop" or (said == "stop, then fall silent" and request.candidate % 2):
                raise RemoteError(ErrorCode.UNAVAILABLE, "worker_stopping", "the worker is stopping")
            if said == "stop, then fall silent":
                await asyncio.sleep(60)
            if said == "talk nonsense":
                raise RemoteError(ErrorCode.UNAVAILABLE, "output_invalid", "nonsense")
            if said.endswith("wait"):
                await self._wait()
            if self.model_id == "one" and said in ("fall back", "stream and fall back"):
                await self._say(request, "one says something else")
                raise RemoteError(ErrorCode.INTERNAL, "empty_output", "nothing was generated")
            if said == "refuse":
                raise InvalidField("sampling.temperature", "is not for this model")
            if said == "too long":
                raise InvalidField("messages", "does not fit", reason="context_too_long")
            if said == "full":
                raise RemoteError(ErrorCode.RESOURCE_EXHAUSTED, "queue_full", "the queue is full", retry_after=1.5)
            if said == "crash" and request.candidate == 1:
                await self._say(request, text[:5])
                raise RuntimeError("secret of the worker")
        except OloError as error:
            raise to_application_error(error) from error
        if request.stream:
            await self._say(request, text)
        return GenerateResponse(
            request_id=request.request_id,
            model_id=self.model_id,
            text=text,
            finish_reason=FINISH_REASON_STOP,
            usage={"prompt_tokens": len(request.messages), "completion_tokens": 2},
            candidate=request.candidate,
            attempt=attempt,
            tool_calls=[ToolCall(id="c", name=request.tool_choice.name, arguments_json="{}") for _ in request.tools],
            alternatives=[Alternative(text=f"answer {number}") for number in range(2, request.n + 1)],
        )

    async def _fall_silent(self, request: GenerateRequest, said: str) -> None:
        """Says how far it has come, and nothing more: what a killed worker looks like, or one that is starved."""
        if said == "starve twice":
            silent, instance_id = request.candidate <= 2, "starved"
        else:
            silent, instance_id = said != "fall silent once" or not request.prefix_token_ids, "dead"
        company = COMPANY_ALONE if request.isolation and said == "die unheard" else COMPANY_UNSPECIFIED
        if silent and (said != "die unheard" or request.isolation):
            instance_id = "" if said == "kill" else instance_id
            activity.heartbeat(GenerateProgress(token_ids=[7, 8], instance_id=instance_id, company=company))
        if silent:
            await asyncio.sleep(60)

    def _lose(self, request: GenerateRequest, times: int) -> None:
        """The engine dies with the request: in company, unless that is told to have it for itself."""
        seen = self.isolations.setdefault(request.request_id, [])
        seen.append(request.isolation)
        if len(seen) <= times:
            company = COMPANY_ALONE if request.isolation and times > 2 else COMPANY_SHARED
            lost = RemoteError(ErrorCode.UNAVAILABLE, "engine_lost", "the engine has died")
            raise to_application_error(lost, beside=[GenerateProgress(token_ids=[7], company=company)])

    async def _wait(self) -> None:
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            self.cancelled.add(activity.info().workflow_id or "")
            raise

    async def _say(self, request: GenerateRequest, text: str) -> None:
        for seq, offset in enumerate(range(0, len(text), 3)):
            chunk = TokenChunk(
                request_id=request.request_id,
                candidate=request.candidate,
                attempt=activity.info().attempt,
                seq=seq,
                offset=offset,
                text=text[offset : offset + 3],
            )
            await self.bus.publish(stream_subject(request.request_id), chunk.SerializeToString())
        await self.bus.flush()


class World:
    """Everything that a test may touch."""

    router_type = FakeRouter
    retrieval_type: type[retrieval_grpc.RetrievalServiceServicer] = FakeRetrieval

    def __init__(self, payloads: PayloadSettings) -> None:
        self.payloads = payloads
        self.stack = AsyncExitStack()
        self.models: dict[str, FakeModel] = {}

    async def serve(self, add: Callable[[Any, grpc.aio.Server], None], servicer: Any) -> str:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.stack.push_async_callback(server.stop, 0)
        return f"127.0.0.1:{port}"

    async def build(self, nats_url: str, temporal_address: str) -> None:
        self.client = await Client.connect(temporal_address, data_converter=data_converter(self.payloads))
        bus = self.bus = await self.stack.enter_async_context(nats_bus(NatsSettings(url=nats_url), "models"))
        await bus.wait_connected()
        for model_id in ("one", "two"):
            model = self.models[model_id] = FakeModel(model_id, bus)
            worker = Worker(
                self.client,
                task_queue=llm_queue(model_id),
                activities=[model.generate],
                max_concurrent_activities=4,
            )
            await self.stack.enter_async_context(worker)
        routing, self.registry = self.router_type(), FakeRegistry()
        self.router = routing
        routing.embedding_address = await self.serve(
            embedding_grpc.add_EmbeddingServiceServicer_to_server, FakeEmbedder()
        )
        self.retrieval = self.retrieval_type()
        self.http_port = free_port()
        self.settings = GatewaySettings(
            port=0,
            http_port=self.http_port,
            router_target=await self.serve(router_grpc.add_RouterServiceServicer_to_server, routing),
            retrieval_target=await self.serve(retrieval_grpc.add_RetrievalServiceServicer_to_server, self.retrieval),
            registry_target=await self.serve(registry_grpc.add_RegistryServiceServicer_to_server, self.registry),
            nats=NatsSettings(url=nats_url),
            temporal=TemporalSettings(address=temporal_address, payloads=self.payloads),
            max_content_bytes=(1024 if self.payloads.store else 256) * 1024,
            grace_seconds=2,
            max_concurrent_workflow_tasks=16,
            keep_alive=0.3,
        )
        await self.enter()

    async def enter(self) -> None:
        """Starts the gateway; the one before must have ended."""
        self.inner = await self.stack.enter_async_context(AsyncExitStack())
        address = await self.inner.enter_async_context(running(self.settings, Lifetime()))
        self.channel = await self.inner.enter_async_context(channel(address))
        self.gateway: GatewayServiceAsyncStub = GatewayServiceStub(self.channel)
        self.http = await self.inner.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.http_port}", timeout=30)
        )
        await until(self._healthy)

    async def _healthy(self) -> bool:
        return (await self.http.get("/healthz")).status_code == 200

    async def chat(self, said: str, **fields: Any) -> ChatResponse:
        response: ChatResponse = await call(self.gateway.Chat, asked(said, **fields), peer="gateway", timeout=30)
        return response

    async def steps(self, run_id: str) -> list[str]:
        """The activities of a run, local ones too, as its history shows them."""
        names = []
        async for event in self.client.get_workflow_handle(run_id).fetch_history_events():
            if event.HasField("activity_task_scheduled_event_attributes"):
                names.append(event.activity_task_scheduled_event_attributes.activity_type.name)
            if event.HasField("marker_recorded_event_attributes"):
                details = event.marker_recorded_event_attributes.details
                names += [
                    name
                    for name in ("retrieve", "select")
                    if any(name.encode() in p.data for payloads in details.values() for p in payloads.payloads)
                ]
        return names

    async def record(self, name: str, run_id: str) -> None:
        path = HISTORIES / f"{name}.json"
        # What an earlier version has recorded is what its runs look like: it stays.
        if RECORD and not path.exists():
            history = await self.client.get_workflow_handle(run_id).fetch_history()
            HISTORIES.mkdir(exist_ok=True)
            path.write_text(recorded(history))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


def asked(said: str, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage(role=ROLE_USER, content=said)], **fields)


@asynccontextmanager
async def worlds(nats_url: str, temporal_address: str, store: str = "") -> AsyncIterator[World]:
    world = World(PayloadSettings(store=store))
    async with world.stack:
        await world.build(nats_url, temporal_address)
        yield world


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


def key() -> str:
    return uuid.uuid4().hex


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


def body(said: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": said}], **fields}


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
