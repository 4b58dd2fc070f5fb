"""What a gateway talks to, for tests: peers that answer at once, and models that do as the question says."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from temporalio import activity

from olo.embedding.v1 import embedding_service_pb2 as embedding
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.inference.v1.inference_service_pb2 import (
    COMPANY_ALONE,
    COMPANY_SHARED,
    COMPANY_UNSPECIFIED,
    FINISH_REASON_STOP,
    Alternative,
    GenerateProgress,
    GenerateRequest,
    GenerateResponse,
    TokenChunk,
    ToolCall,
)
from olo.registry.v1 import registry_service_pb2 as registry
from olo.registry.v1 import registry_service_pb2_grpc as registry_grpc
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo.router.v1 import router_service_pb2 as router
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, InvalidField, OloError, RemoteError
from olo_common.failures import to_application_error
from olo_common.nats_bus import NatsBus
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import stream_subject
from olo_contracts.vectors import pack


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
            if (asked := said.rpartition("\n")[2]).startswith("be long"):
                self.long += 1
                text = "long " * (int(asked.split()[2]) // 5)
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
