"""A gateway in this process that answers as it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from olo.common.v1.common_pb2 import ModelType, TokenUsage
from olo.gateway.v1 import gateway_service_pb2 as gw
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer, add_GatewayServiceServicer_to_server
from olo.inference.v1.inference_service_pb2 import ChatMessage, Role
from olo.registry.v1 import benchmark_service_pb2 as bm
from olo.registry.v1 import registry_service_pb2 as rg
from olo.registry.v1.benchmark_service_pb2_grpc import (
    BenchmarkServiceServicer,
    add_BenchmarkServiceServicer_to_server,
)
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from olo.retrieval.v1 import retrieval_service_pb2 as rt
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceServicer, add_RetrievalServiceServicer_to_server
from olo.router.v1 import router_service_pb2 as router
from olo.router.v1.router_service_pb2_grpc import RouterServiceServicer, add_RouterServiceServicer_to_server
from olo_contracts.vectors import pack

Failure = tuple[grpc.StatusCode, str, str, dict[str, Any]]


def fail(context: grpc.ServicerContext, failure: Failure) -> None:
    """Ends a call as the services do: with ErrorInfo, and a field and a delay where there are some."""
    code, reason, message, more = failure
    parts: list[Any] = [error_details_pb2.ErrorInfo(reason=reason, domain="olo", metadata=more.get("metadata", {}))]
    if "field" in more:
        violation = error_details_pb2.BadRequest.FieldViolation(field=more["field"])
        parts.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if "retry_after" in more:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(more["retry_after"] * 1000))
        parts.append(error_details_pb2.RetryInfo(retry_delay=delay))
    details = []
    for part in parts:
        packed = any_pb2.Any()
        packed.Pack(part)
        details.append(packed)
    context.abort_with_status(
        rpc_status.to_status(status_pb2.Status(code=code.value[0], message=message, details=details))
    )


def response(text: str, run_id: str = "run-1") -> run_pb2.ChatResponse:
    """A finished answer with one citation."""
    return run_pb2.ChatResponse(
        run_id=run_id,
        model="olo-demo",
        message=ChatMessage(role=Role.ROLE_ASSISTANT, content=text),
        citations=[run_pb2.Citation(index=1, title="The tram", source="tram.md", score=0.5, cited=True)],
    )


class FakeGateway(
    GatewayServiceServicer,
    RetrievalServiceServicer,
    RegistryServiceServicer,
    BenchmarkServiceServicer,
    RouterServiceServicer,
):
    """Keeps what it was asked; fails with what stands in `failures`, one for each call, before it answers."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.new: list[bool] = []
        """Of each request, whether it says that none before it can have been accepted."""
        self.failures: list[Failure] = []
        self.streams: list[list[gw.ChatStreamResponse | Failure]] = []
        self.collections: dict[str, dict[str, rt.Document]] = {}
        self.refused: dict[str, str] = {}
        self.indexing: Callable[[rt.Document], rt.Document] | None = None
        """What becomes of a document from one look to the next; None: it is ready at the first."""
        self.ingested: list[str] = []
        self.aliases: dict[str, rg.Alias] = {}
        self.models: dict[str, rg.Model] = {}
        """Where there are some, they are all that is known; else every model is."""
        self.runs: dict[str, run_pb2.Run] = {}
        self.found = [rt.Passage(title="The tram", source="tram.md", score=0.75, text="It began\nin 1908.")]
        self.citations: list[run_pb2.Citation] = []
        self.marks: list[run_pb2.CitationMark] = []

    def _take(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.new.append(("x-request-new", "true") in context.invocation_metadata())
        if self.failures:
            fail(context, self.failures.pop(0))

    def Chat(self, request, context):
        self._take(request, context)
        answer = response(f"You said {request.messages[-1].content}", request.request_id)
        answer.citations.extend(self.citations)
        answer.grounding.marks.extend(self.marks)
        return answer

    def ChatStream(self, request, context):
        self._take(request, context)
        for event in self.streams.pop(0):
            if isinstance(event, tuple):
                fail(context, event)
            yield event

    def GetRun(self, request, context):
        self._take(request, context)
        run = self.runs.get(request.run_id) or run_pb2.Run(
            run_id=request.run_id, state=run_pb2.RUN_STATE_COMPLETED, response=response("42")
        )
        return gw.GetRunResponse(run=run)

    def TraceRun(self, request, context):
        self._take(request, context)
        trace = gw.TraceRunResponse(run_id=request.run_id, state=run_pb2.RUN_STATE_COMPLETED, trace_id="0af7")
        trace.temporal_url = "http://127.0.0.1:8233/namespaces/default/workflows/run-1/r/history"
        trace.start_time.FromMilliseconds(1_000_000)
        trace.end_time.FromMilliseconds(1_002_000)
        for name, start, end, reason in (
            ("select", 0, 20, ""),
            ("queue", 20, 1000, ""),
            ("generate", 1000, 1500, "engine_lost"),
            ("generate", 1500, 2000, ""),
        ):
            step = trace.steps.add(name=name, model_id="" if name == "select" else "large", failure_reason=reason)
            step.start_time.FromMilliseconds(1_000_000 + start)
            step.end_time.FromMilliseconds(1_000_000 + end)
        trace.steps[-1].first_token_time.FromMilliseconds(1_001_750)
        return trace

    def ReplayRun(self, request, context):
        self._take(request, context)
        replay = response("43 or\nso", "run-2")
        replay.model = request.model or "chosen"
        return gw.ReplayRunResponse(original=response("42 or\nso"), replay=replay)

    def ExplainSelection(self, request, context):
        self._take(request, context)
        selection = router.SelectModelsResponse(profile="quality", snapshot_version=7, rejection_count=3)
        selection.complexity.score, selection.complexity.complex = 0.9, True
        selection.complexity.features.add(name="code", value=1.0, contribution=3.0)
        part = router.ScoreComponent(name="quality", value=0.9, weight=0.8, detail="0.90 of 1")
        selection.candidates.add(model_id="large", score=0.8, explanation="It fits.", components=[part])
        selection.rejections.add(model_id="small", filter="constraints.min_quality", detail="too low")
        return router.ExplainSelectionResponse(selection=selection)

    def ListRankings(self, request, context):
        self._take(request, context)
        rankings = router.ListRankingsResponse(profile=request.profile or "default")
        rankings.models.add(rank=1, model_id="large", score=0.8)
        return rankings

    def GetStatus(self, request, context):
        self._take(request, context)
        status = router.GetStatusResponse(serving=True, snapshot_version=7)
        status.instances.add(instance_id="i1", model_id="large", state="broken", max_concurrency=4)
        status.breakers.add(model_id="large", state=router.BREAKER_STATE_HALF_OPEN, last_failure="engine_lost")
        return status

    def ListRuns(self, request, context):
        self._take(request, context)
        page = int(request.page_token or 0)
        runs = [run_pb2.Run(run_id=f"run-{page * 2 + n}", state=run_pb2.RUN_STATE_TIMED_OUT) for n in range(2)]
        return gw.ListRunsResponse(runs=runs, next_page_token=str(page + 1) if page < 2 else "")

    def CancelRun(self, request, context):
        self._take(request, context)
        return gw.CancelRunResponse(run=run_pb2.Run(run_id=request.run_id, state=run_pb2.RUN_STATE_CANCELLED))

    def ListModels(self, request, context):
        self._take(request, context)
        models = [
            gw.ModelSummary(
                model_id="olo-demo", model_type=ModelType.MODEL_TYPE_LLM, default_flag=True, available=True
            ),
            gw.ModelSummary(model_id="minilm", model_type=ModelType.MODEL_TYPE_EMBEDDING),
        ]
        wanted = request.model_type
        return gw.ListModelsResponse(models=[m for m in models if not wanted or m.model_type == wanted])

    def GetModel(self, request, context):
        self._take(request, context)
        if not self.models:
            return rg.GetModelResponse(model=rg.Model(model_id=request.model_id, quality_score=0.5))
        if request.model_id not in self.models:
            fail(context, (grpc.StatusCode.NOT_FOUND, "model_not_found", "there is no such model", {}))
        return rg.GetModelResponse(model=self.models[request.model_id])

    def UpdateModel(self, request, context):
        self._take(request, context)
        if request.model.model_id not in self.models:
            return rg.UpdateModelResponse(model=request.model)
        model = self.models[request.model.model_id]
        for path in request.update_mask.paths:
            model.ClearField(path)
        model.MergeFrom(request.model)
        return rg.UpdateModelResponse(model=model)

    def DrainInstances(self, request, context):
        self._take(request, context)
        return rg.DrainInstancesResponse(instance_ids=[request.instance_id or "i1"])

    def SetAlias(self, request, context):
        self._take(request, context)
        self.aliases[request.alias.alias] = request.alias
        return rg.SetAliasResponse(alias=request.alias)

    def ListAliases(self, request, context):
        self._take(request, context)
        return rg.ListAliasesResponse(aliases=self.aliases.values())

    def DeleteAlias(self, request, context):
        self._take(request, context)
        del self.aliases[request.alias]
        return rg.DeleteAliasResponse()

    def ListBenchmarkSources(self, request, context):
        self._take(request, context)
        return bm.ListBenchmarkSourcesResponse(
            sources=[bm.BenchmarkSource(source="lmarena", records=7, problem="away")]
        )

    def ListModelFacts(self, request, context):
        self._take(request, context)
        if self.models:
            return bm.ListModelFactsResponse()
        return bm.ListModelFactsResponse(facts=[bm.ModelFact(name="elo", value="1234", source="lmarena", record="r")])

    def ListMatchReviews(self, request, context):
        self._take(request, context)
        candidate = bm.MatchCandidate(record="r-v2", doubts=["version"])
        return bm.ListMatchReviewsResponse(
            reviews=[bm.MatchReview(model_id="r", source="lmarena", candidates=[candidate])]
        )

    def DecideMatch(self, request, context):
        self._take(request, context)
        return bm.DecideMatchResponse()

    def Embed(self, request, context):
        self._take(request, context)
        rows = [[float(len(text)), 0.5] for text in request.texts]
        return gw.EmbedResponse(model="minilm", vectors=pack(rows), usage=TokenUsage(prompt_tokens=7))

    def CreateCollection(self, request, context):
        self._take(request, context)
        if request.name in self.collections:
            fail(context, (grpc.StatusCode.ALREADY_EXISTS, "collection_exists", f"{request.name} exists", {}))
        self.collections[request.name] = {}
        return rt.CreateCollectionResponse(
            collection=rt.Collection(name=request.name, embedding_model_id=request.embedding_model_id or "minilm")
        )

    def GetCollection(self, request, context):
        self._take(request, context)
        return rt.GetCollectionResponse(collection=rt.Collection(name=request.name))

    def UpdateCollection(self, request, context):
        self._take(request, context)
        return rt.UpdateCollectionResponse(collection=rt.Collection(name=request.name, retriever=request.retriever))

    def ListCollections(self, request, context):
        self._take(request, context)
        return rt.ListCollectionsResponse(collections=[rt.Collection(name=name) for name in sorted(self.collections)])

    def DeleteCollection(self, request, context):
        self._take(request, context)
        if self.collections.pop(request.name, None) is None:
            fail(context, (grpc.StatusCode.NOT_FOUND, "collection_not_found", f"no collection {request.name}", {}))
        return rt.DeleteCollectionResponse()

    def IngestDocument(self, request, context):
        self._take(request, context)
        data = request.document.data or (request.document.content or request.document.url).encode()
        if not data.strip():
            fail(context, (grpc.StatusCode.INVALID_ARGUMENT, "document_empty", "the document is empty", {}))
        document = rt.Document(
            document_id=request.document.document_id or "made-up",
            collection=request.collection,
            source=request.document.source,
            state=rt.DOCUMENT_STATE_INDEXING,
            content_sha256=hashlib.sha256(data).hexdigest(),
            metadata=request.document.metadata,
        )
        self.ingested.append(document.document_id)
        self.collections[request.collection][document.document_id] = document
        return rt.IngestDocumentResponse(document=document)

    def IngestDocuments(self, request, context):
        self._take(request, context)
        results = [
            rt.IngestDocumentResult(document=rt.Document(document_id=d.document_id))
            if d.content
            else rt.IngestDocumentResult(error=rt.IngestError(reason="document_empty"))
            for d in request.documents
        ]
        return rt.IngestDocumentsResponse(results=results)

    def GetDocument(self, request, context):
        self._take(request, context)
        document = self.collections[request.collection][request.document_id]
        if self.indexing is not None:
            document = self.indexing(document)
        elif request.document_id in self.refused:
            document.state, document.error = rt.DOCUMENT_STATE_FAILED, self.refused[request.document_id]
        else:
            document.state, document.chunk_count = rt.DOCUMENT_STATE_READY, 3
        return rt.GetDocumentResponse(document=document)

    def ListDocuments(self, request, context):
        self._take(request, context)
        return rt.ListDocumentsResponse(documents=self.collections[request.collection].values())

    def DeleteDocument(self, request, context):
        self._take(request, context)
        del self.collections[request.collection][request.document_id]
        return rt.DeleteDocumentResponse()

    def Search(self, request, context):
        self._take(request, context)
        return rt.SearchResponse(passages=self.found)


class Served:
    """The fake and where it listens."""

    def __init__(self, gateway: FakeGateway, target: str) -> None:
        self.gateway = gateway
        self.target = target


@pytest.fixture
def served() -> Iterator[Served]:
    gateway = FakeGateway()
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads)
        add_GatewayServiceServicer_to_server(gateway, server)
        add_RetrievalServiceServicer_to_server(gateway, server)
        add_RegistryServiceServicer_to_server(gateway, server)
        add_BenchmarkServiceServicer_to_server(gateway, server)
        add_RouterServiceServicer_to_server(gateway, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield Served(gateway, f"127.0.0.1:{port}")
        finally:
            server.stop(None).wait()
