"""Registry, two routers and a gateway together: profiles, breakers, measurements, explanations and replays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
import olo_gateway.app
import olo_registry.app
import olo_router.app
from olo.gateway.v1 import gateway_service_pb2 as gateway_pb
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, RagOptions
from olo.inference.v1.inference_service_pb2 import (
    FINISH_REASON_STOP,
    ROLE_USER,
    ChatMessage,
    GenerateRequest,
    GenerateResponse,
)
from olo.registry.v1 import registry_service_pb2 as registry_pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval_pb
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1.router_service_pb2_grpc import RouterServiceStub
from olo_common.errors import OloError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import subject_of
from olo_gateway.settings import GatewaySettings
from olo_registry.settings import RegistrySettings
from olo_router.settings import RouterSettings
from olo_testing.ports import free_port
from olo_testing.waiting import eventually
from olo_worker.presence import Advertisement, Presence, present

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

pytestmark = pytest.mark.integration

CHEAP, GOOD = "routing-cheap", "routing-good"


class Passages(retrieval_grpc.RetrievalServiceServicer):
    """Finds one passage, and counts."""

    def __init__(self) -> None:
        self.searches = 0

    async def Search(self, request: Any, context: Any) -> retrieval_pb.SearchResponse:
        self.searches += 1
        passage = retrieval_pb.Passage(chunk_id="c", document_id="d", title="Nile", text="It flows north.", score=0.5)
        return retrieval_pb.SearchResponse(passages=[passage])


class Model:
    """Answers with its name and the last line that it was given."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        said = request.messages[-1].content
        return GenerateResponse(
            model_id=self.model_id, text=f"{self.model_id}: {said}", finish_reason=FINISH_REASON_STOP
        )


class World:
    """Everything that a test may touch."""

    def __init__(self, nats_url: str, temporal_address: str, directory: Path) -> None:
        self.nats = NatsSettings(url=nats_url)
        self.temporal = TemporalSettings(address=temporal_address)
        self.directory = directory
        self.passages = Passages()
        self.registry: RegistryServiceAsyncStub
        self.routers: list[RouterServiceAsyncStub] = []
        self.gateway: GatewayServiceAsyncStub
        self.edge: RouterServiceAsyncStub
        self.http: httpx.AsyncClient
        self.bus: NatsBus

    async def build(self, stack: AsyncExitStack) -> None:
        registry_settings = RegistrySettings(
            port=0, database_url=f"sqlite:///{self.directory}/registry.db", nats=self.nats, grace_seconds=0.0
        )
        self.registry_address = await stack.enter_async_context(olo_registry.app.running(registry_settings, Lifetime()))
        self.registry = RegistryServiceStub(await stack.enter_async_context(channel(self.registry_address)))
        addresses = [await self.start_router(stack) for _ in range(2)]
        server = grpc.aio.server()
        retrieval_grpc.add_RetrievalServiceServicer_to_server(self.passages, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        settings = GatewaySettings(
            port=0,
            http_port=free_port(),
            router_target=addresses[0],
            registry_target=self.registry_address,
            retrieval_target=f"127.0.0.1:{port}",
            nats=self.nats,
            temporal=self.temporal,
            grace_seconds=1.0,
            max_concurrent_workflow_tasks=16,
        )
        address = await stack.enter_async_context(olo_gateway.app.running(settings, Lifetime()))
        opened = await stack.enter_async_context(channel(address))
        self.gateway, self.edge = GatewayServiceStub(opened), RouterServiceStub(opened)
        self.http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=20)
        )
        self.bus = await stack.enter_async_context(nats_bus(self.nats, "models"))
        await self.bus.wait_connected()
        client = await Client.connect(self.temporal.address)
        for model_id in (CHEAP, GOOD):
            worker = Worker(client, task_queue=llm_queue(model_id), activities=[Model(model_id).generate])
            await stack.enter_async_context(worker)
            await self.join(stack, model_id)
        await eventually(self.first, lambda first: first == CHEAP)
        for model_id, quality, cost in ((CHEAP, 0.2, 0.0001), (GOOD, 0.9, 0.01)):
            policy = registry_pb.Model(model_id=model_id, quality_score=quality, cost_per_1k_input_tokens=cost)
            mask = FieldMask(paths=["quality_score", "cost_per_1k_input_tokens"])
            update = registry_pb.UpdateModelRequest(model=policy, update_mask=mask)
            await call(self.registry.UpdateModel, update, peer="the registry", timeout=5)

    async def start_router(self, stack: AsyncExitStack) -> str:
        settings = RouterSettings(
            port=0,
            registry_target=self.registry_address,
            nats=self.nats,
            temporal=self.temporal,
            store_pause_seconds=0.1,
            backlog_pause_seconds=0.2,
            grace_seconds=0.0,
        )
        address = await stack.enter_async_context(olo_router.app.running(settings, Lifetime()))
        self.routers.append(RouterServiceStub(await stack.enter_async_context(channel(address))))
        return address

    async def join(self, stack: AsyncExitStack, model_id: str) -> None:
        advertisement = Advertisement(
            instance_id=f"{model_id}-1",
            model_id=model_id,
            model_name=model_id,
            model_type=olo_events.ModelType.LLM,
            priority=200 if model_id == CHEAP else 100,
            default_flag=False,
            max_concurrency=4,
            context_limit=2048,
            hardware_type=olo_events.HardwareType.CPU,
            address="127.0.0.1:50055",
            task_queue=llm_queue(model_id),
        )
        presence = Presence(self.bus, advertisement, in_flight=lambda: 0, able=lambda: True, heartbeat_seconds=0.5)
        await stack.enter_async_context(present(presence, self.bus, Lifetime()))

    async def first(self, **fields: Any) -> str:
        request = router_pb.ExplainSelectionRequest(request=router_pb.SelectModelsRequest(**fields))
        answer = await call(self.edge.ExplainSelection, request, peer="the gateway", timeout=5)
        return str(answer.selection.candidates[0].model_id)

    async def status(self, router: RouterServiceAsyncStub) -> router_pb.GetStatusResponse:
        answer: router_pb.GetStatusResponse = await call(
            router.GetStatus, router_pb.GetStatusRequest(), peer="a router", timeout=5
        )
        return answer

    async def chat(self, said: str, **fields: Any) -> ChatResponse:
        request = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content=said)], **fields)
        answer: ChatResponse = await call(self.gateway.Chat, request, peer="the gateway", timeout=30)
        return answer

    async def ends(self, model_id: str, reason: str = "", **fields: int) -> None:
        event = olo_events.AttemptFinished(
            model_id=model_id,
            instance_id=f"{model_id}-1",
            failure_reason=reason,
            failure_code=13 if reason else 0,
            duration_ms=0,
            **fields,
        )
        await self.bus.publish(subject_of(event), bytes(event))


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(nats_url, temporal_address, tmp_path_factory.mktemp("routing"))
        await world.build(stack)
        yield world


async def test_a_profile_decides_and_the_run_keeps_why(world: World) -> None:
    await eventually(lambda: world.first(profile="quality"), lambda first: first == GOOD)
    answer = await world.chat("hello", profile="quality")
    assert answer.model == GOOD
    selection = answer.selection
    assert selection.profile == "quality"
    assert selection.snapshot_version > 0
    assert [part.name for part in selection.candidates[0].components] == ["quality", "latency", "cost"]
    assert selection.candidates[0].reason == router_pb.SELECTION_REASON_PROFILE
    stored = await call(
        world.gateway.GetRun, gateway_pb.GetRunRequest(run_id=answer.run_id), peer="the gateway", timeout=5
    )
    assert stored.run.response.selection == selection


async def test_auto_keeps_what_the_prompt_was_judged_by(world: World) -> None:
    await eventually(lambda: world.first(profile="quality"), lambda first: first == GOOD)
    answer = await world.chat("Prove it, compare both proofs and justify your choice.", profile="auto")
    assert (answer.model, answer.selection.profile) == (GOOD, "quality")
    assert answer.selection.complexity.complex
    assert answer.selection.complexity.features[0].name == "reasoning_words"


async def test_constraints_over_http_are_met_or_named(world: World) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "constraints": {"min_quality": 0.8}}
    answer = (await world.http.post("/v1/chat/completions", json=body)).json()
    assert answer["model"] == GOOD
    assert [r["filter"] for r in answer["olo"]["selection"]["rejections"]] == ["constraints.min_quality"]
    body["constraints"] = {"min_quality": 0.95}
    refused = await world.http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 412
    assert refused.json()["error"]["param"] == "constraints.min_quality"
    body["constraints"] = {"min_quality": 7}
    assert (await world.http.post("/v1/chat/completions", json=body)).status_code == 400


async def test_rankings_and_status_over_http(world: World) -> None:
    rankings = (await world.http.get("/v1/rankings", params={"profile": "budget"})).json()
    assert rankings["models"][0]["model_id"] == CHEAP
    unknown = await world.http.get("/v1/rankings", params={"profile": "fast"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "profile")
    status = (await world.http.get("/v1/status")).json()
    assert status["serving"]
    assert {each["model_id"]: each["state"] for each in status["instances"]} == {CHEAP: "ready", GOOD: "ready"}
    assert {each["source"] for each in status["syncs"]} == {"openrouter", "lmarena", "hugging_face"}
    assert "127.0.0.1" not in str(status)


async def test_the_edge_answers_questions_and_hands_nothing_out(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.edge.SelectModels(router_pb.SelectModelsRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    request = router_pb.ExplainSelectionRequest(request=router_pb.SelectModelsRequest())
    answer = await call(world.edge.ExplainSelection, request, peer="the gateway", timeout=5)
    assert not any(candidate.address for candidate in answer.selection.candidates)


async def test_a_replay_uses_the_passages_of_then_and_another_model(world: World) -> None:
    await eventually(lambda: world.first(profile="quality"), lambda first: first == GOOD)
    original = await world.chat("Where?", model=CHEAP, rag=RagOptions(collection="demo"))
    searches = world.passages.searches
    request = gateway_pb.ReplayRunRequest(run_id=original.run_id, profile="quality")
    replayed = await call(world.gateway.ReplayRun, request, peer="the gateway", timeout=30)
    assert world.passages.searches == searches
    assert replayed.original == original
    assert replayed.replay.run_id != original.run_id
    assert replayed.replay.model == GOOD
    assert replayed.replay.message.content.replace(GOOD, CHEAP) == original.message.content
    assert [each.text for each in replayed.replay.citations] == ["It flows north."]
    missing = gateway_pb.ReplayRunRequest(run_id="run-nobody")
    with pytest.raises(OloError) as caught:
        await call(world.gateway.ReplayRun, missing, peer="the gateway", timeout=5)
    assert caught.value.reason == "run_not_found"


async def test_all_routers_open_and_close_a_breaker_together(world: World) -> None:
    async def states() -> list[dict[str, int]]:
        return [
            {breaker.instance_id: breaker.state for breaker in (await world.status(router)).breakers}
            for router in world.routers[:2]
        ]

    for _ in range(3):
        await world.ends(CHEAP, "engine_lost")
    is_open = {"": router_pb.BREAKER_STATE_OPEN, f"{CHEAP}-1": router_pb.BREAKER_STATE_OPEN}
    assert await eventually(states, lambda found: found == [is_open, is_open], seconds=5)
    assert await world.first() == GOOD
    await world.ends(CHEAP)
    await eventually(states, lambda found: found == [{}, {}], seconds=5)
    assert await world.first() == CHEAP


async def test_a_restarted_router_knows_what_the_others_have_measured(world: World) -> None:
    await world.ends(GOOD, first_token_ms=400, generation_ms=2000, prompt_tokens=10, completion_tokens=100)

    async def stored() -> list[str]:
        request = registry_pb.ListMeasurementsRequest()
        answer = await call(world.registry.ListMeasurements, request, peer="the registry", timeout=5)
        return [each.model_id for each in answer.measurements if each.timed_weight]

    await eventually(stored, lambda models: GOOD in models)
    async with AsyncExitStack() as stack:
        await world.start_router(stack)

        async def latency() -> str:
            request = router_pb.ListRankingsRequest(profile="speed")
            answer = await call(world.routers[-1].ListRankings, request, peer="the router", timeout=5)
            good = next(each for each in answer.models if each.model_id == GOOD)
            return next(part.detail for part in good.components if part.name == "latency")

        assert await eventually(latency, lambda detail: detail.startswith("about"))
        world.routers.pop()


async def test_a_report_that_cannot_be_is_refused_whole_and_the_field_named(world: World) -> None:
    good = registry_pb.Measurement(model_id="refused", prompt_size="short", weight=1.0)
    good.observe_time.GetCurrentTime()
    bad = registry_pb.Measurement()
    bad.CopyFrom(good)
    bad.error_rate = 2.0
    request = registry_pb.ReportMeasurementsRequest(measurements=[good, bad])
    with pytest.raises(OloError) as caught:
        await call(world.registry.ReportMeasurements, request, peer="the registry", timeout=5)
    assert caught.value.field == "measurements[1].error_rate"
    listed = await call(
        world.registry.ListMeasurements, registry_pb.ListMeasurementsRequest(), peer="the registry", timeout=5
    )
    assert "refused" not in {each.model_id for each in listed.measurements}
