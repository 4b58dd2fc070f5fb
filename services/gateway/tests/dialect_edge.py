"""The HTTP side of a gateway with all its dialects: runs and models are in memory, and do as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter

from olo.common.v1 import common_pb2
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import RUN_PHASE_QUEUED, ChatRequest, ChatResponse, RunProgress
from olo.inference.v1 import inference_service_pb2 as inference
from olo.registry.v1 import registry_service_pb2 as registry
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import ErrorCode, RemoteError
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_common.temporal import TEMPORAL_CONDITION
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.adapters.in_memory_fleet import InMemoryBacklogs, InMemoryFleet, InMemoryInspecting
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.own_models import OwnEmbedding, OwnTokenizing
from olo_gateway.calls.own_runs import OwnRuns
from olo_gateway.errors import ModelNotFound
from olo_gateway.http.app import http_app
from olo_gateway.http.cluster.cluster import Cluster
from olo_gateway.http.compatible import Peers, compatible_routes
from olo_gateway.http.guard import Guarding
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.ports import Backlog
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.streaming.events import Chunk

ANSWER = "Hello, wörld."


def instance(name: str, model: str, address: str, **fields: object) -> registry.Instance:
    given = {"state": registry.INSTANCE_STATE_READY, "max_concurrency": 4, "in_flight": 1} | fields
    return registry.Instance(
        instance_id=name,
        model_id=model,
        address=address,
        hardware_type=common_pb2.HARDWARE_TYPE_CPU,
        **given,  # type: ignore[arg-type]
    )


MODELS = [
    registry.Model(
        model_id="org/small",
        model_name="Small",
        model_type=common_pb2.MODEL_TYPE_LLM,
        enabled=True,
        capabilities=["tools", "logprobs"],
        context_limit=512,
        task_queue="llm.org/small",
        quality_score=0.5,
        instances=[
            instance("a", "org/small", "10.0.0.1:50055"),
            instance("b", "org/small", "10.0.0.2:50055", state=registry.INSTANCE_STATE_DRAINING, state_reason="told"),
        ],
    ),
    registry.Model(
        model_id="embedder",
        model_type=common_pb2.MODEL_TYPE_EMBEDDING,
        enabled=True,
        context_limit=256,
        embedding_dimension=2,
        instances=[instance("c", "embedder", "10.0.0.9:1", labels={"node": "shelf"})],
    ),
    registry.Model(model_id="away", model_type=common_pb2.MODEL_TYPE_LLM, enabled=True, task_queue="llm.away"),
]


class DialectEdge:
    """What a test needs of it."""

    def __init__(self, guarding: Guarding | None = None, extras: Sequence[APIRouter] = ()) -> None:
        self.tokens = InMemoryTokenStreams()
        self.runs = InMemoryRuns(self._answer)
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.health = Health([TEMPORAL_CONDITION])
        self.url = ""
        self.fleet = InMemoryFleet(
            MODELS,
            [
                registry.Measurement(model_id="org/small", prompt_size="short", weight=3, timed_weight=3),
                registry.Measurement(model_id="org/small", instance_id="a", prompt_size="short", error_rate=1.0),
            ],
        )
        infos = {"org/small": inference.GetModelInfoResponse(family="llama", quantization="int8", license="MIT")}
        inspecting = InMemoryInspecting(self.fleet, infos)
        self.admission = Admission(Bounds(4, 5, 4.0), jitter=lambda: 0.0)
        routing = InMemoryRouting(
            status=router.GetStatusResponse(serving=True, instances=[router.InstanceStatus(instance_id="a")])
        )
        backlogs = InMemoryBacklogs({"llm.org/small": Backlog(3, 1.5, 2.0, 1.0, 2)})
        cluster = Cluster(self.fleet, routing, backlogs, self.admission, self.health)
        pace = StreamPace(30.0, 5.0)
        chats = Chats(OwnRuns(self.runs), self.tokens, self.admission, RunLimits(30.0, 60.0))
        embedding = OwnEmbedding(InMemoryEmbedding((3.0, 0.5)))
        self.app = http_app(
            chats,
            InMemoryCatalogue([]),
            routing,
            self.health,
            pace,
            runs=chats.runs,
            embedding=embedding,
            tokenizing=OwnTokenizing(InMemoryTokenizing()),
            extras=extras,
            guarding=guarding,
        )
        for routes in compatible_routes(chats, Peers(cluster, embedding, inspecting, inspecting), pace):
            self.app.include_router(routes)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serves; gives the URL."""
        await self.health.cover([])
        async with http_server(self.app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0) as bound:
            self.url = f"http://{bound}"
            yield self.url

    async def forget(self) -> None:
        """Makes it as good as new."""
        self.runs.started.clear()
        for event in (self.begun, self.release, self.cancelled):
            event.clear()
        for alias in list(await self.fleet.aliases()):
            await self.fleet.delete_alias(alias.alias)
        await self.health.set(TEMPORAL_CONDITION, True)

    @property
    def asked(self) -> ChatRequest:
        """The last request that was run."""
        return self.runs.started[-1][1]

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        self.begun.set()
        try:
            return await self._said(run_id, request.messages[-1].content)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _said(self, run_id: str, said: str) -> ChatResponse:
        match said:
            case "weather":
                return called(run_id)
            case "missing":
                raise ModelNotFound
            case "nobody":
                raise RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "no model is there", retry_after=1.2)
            case "wait":
                self.runs.busy_with[run_id] = RunProgress(phase=RUN_PHASE_QUEUED)
                await self.release.wait()
            case "late failure":
                self.tokens.say(run_id, Chunk(1, 1, 0, "Hel"))
                await self.release.wait()
                raise RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "no model is there")
            case "other answer":
                self.tokens.say(run_id, Chunk(1, 1, 0, "Good"))
                await self.release.wait()
            case "same answer":
                # The first attempt is lost in the middle; the second one says the same again.
                self.tokens.say(run_id, Chunk(1, 1, 0, "Hel"))
                await self.release.wait()
                self.tokens.say(run_id, Chunk(2, 1, 0, "Hello, "))
        return answered(run_id)


def answered(run_id: str) -> ChatResponse:
    return ChatResponse(
        run_id=run_id,
        model="org/small",
        message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, content=ANSWER),
        finish_reason=inference.FINISH_REASON_LENGTH,
        usage=common_pb2.TokenUsage(prompt_tokens=5, completion_tokens=2, cached_tokens=1),
        timings=_timings(total=3, generate=2, queue=1),
        attempts=[run_pb2.Attempt(candidate=1, model_id="org/small")],
    )


def called(run_id: str) -> ChatResponse:
    """An answer that asks for two calls of a tool."""
    answer = answered(run_id)
    answer.finish_reason = inference.FINISH_REASON_TOOL_CALLS
    answer.message.content = ""
    for number, city in enumerate(("Rome", "Oslo")):
        arguments = json.dumps({"city": city})
        answer.message.tool_calls.append(
            inference.ToolCall(id=f"call-{number}", name="weather", arguments_json=arguments)
        )
    return answer


def _timings(**seconds: int) -> run_pb2.RunTimings:
    timings = run_pb2.RunTimings()
    for name, value in seconds.items():
        getattr(timings, name).FromSeconds(value)
    return timings
