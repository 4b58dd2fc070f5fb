"""A gateway whose library finds what it is told to find, and a model that repeats the first passage."""

from __future__ import annotations

from typing import Any

from temporalio import activity
from tests.integration.gateway_peers import FakeRouter, candidate
from tests.integration.gateway_world import World

from olo.inference.v1.inference_service_pb2 import (
    FINISH_REASON_STOP,
    GenerateRequest,
    GenerateResponse,
)
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo.retrieval.v1 import retrieval_service_pb2_grpc as retrieval_grpc
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import ErrorCode, OloError, RemoteError
from olo_common.failures import to_application_error
from olo_contracts.queues import GENERATE_ACTIVITY

TEXTS = {
    "source": "The Nile rises in Burundi.",
    "mouth": "The Nile flows into the Mediterranean Sea.",
    "length": "The Nile is 6650 km long.",
}


class Library(retrieval_grpc.RetrievalServiceServicer):
    """Finds what it is told to find, by query; else everything."""

    def __init__(self) -> None:
        self.asked: list[retrieval.SearchRequest] = []
        self.finds: dict[str, list[str]] = {}
        self.around: dict[str, str] = {}
        self.down = False

    async def Search(self, request: Any, context: Any) -> retrieval.SearchResponse:
        self.asked.append(request)
        if self.down:
            raise RemoteError(ErrorCode.UNAVAILABLE, "model_unavailable", "no embedding model", retry_after=1.0)
        if request.collection != "demo":
            raise RemoteError(ErrorCode.NOT_FOUND, "collection_not_found", "no such collection", field="collection")
        if request.retriever == "wrong":
            raise RemoteError(ErrorCode.INVALID_ARGUMENT, "field_invalid", "no such retriever", field="retriever")
        found = self.finds.get(request.query, list(TEXTS))
        passages = [
            retrieval.Passage(
                chunk_id=name,
                document_id="nile",
                title="Nile",
                source="nile.md",
                score=0.5,
                text=TEXTS[name],
                start_offset=3,
                end_offset=9,
                page=2,
                heading_path=["Rivers"],
                document_version=4,
                parent_text=self.around.get(name, ""),
            )
            for name in found
        ]
        return retrieval.SearchResponse(passages=passages[: request.top_k], retriever=request.retriever or "hybrid")


class Switchboard(FakeRouter):
    """Also knows two models of which the first breaks, and what their contexts hold."""

    limits: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.limits = {}

    async def SelectModels(self, request: Any, context: Any) -> router.SelectModelsResponse:
        if request.model == "broken-then-reader":
            chosen = router.SelectModelsResponse(candidates=[candidate("broken"), candidate("reader")])
        else:
            chosen = await super().SelectModels(request, context)
        for each in chosen.candidates:
            each.context_limit = self.limits.get(each.model_id, 0)
        return chosen


class Reader:
    """Repeats the first passage, and rewrites questions."""

    def __init__(self) -> None:
        self.given: list[GenerateRequest] = []
        self.most_passages = 99

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        self.given.append(request)
        try:
            return self._answered(request)
        except OloError as error:
            raise to_application_error(error) from error

    def _answered(self, request: GenerateRequest) -> GenerateResponse:
        told, question = request.messages[0].content, request.messages[-1].content
        passages = question.splitlines()[:-1]
        if request.model_id == "broken":
            raise RemoteError(ErrorCode.INTERNAL, "empty_output", "nothing was generated")
        if len(passages) > self.most_passages:
            counted = {"prompt_tokens": "1200", "context_limit": "1000"}
            raise RemoteError(ErrorCode.INVALID_ARGUMENT, "context_too_long", "too long", metadata=counted)
        if told.startswith("Write three"):
            text = "1. What is the spring of the Nile?\n2. Where does the Nile begin?"
            if question == "Cannot?":
                raise RemoteError(ErrorCode.INTERNAL, "internal", "no")
        elif told.startswith("Rewrite"):
            text = "Where does the Nile end?"
        elif passages:
            text = f"{passages[0].removeprefix('[1] ')} [1] It was dry in 1999 [2]. So says [9]."
        else:
            text = f"Nobody told me: {question}"
        return GenerateResponse(
            request_id=request.request_id,
            model_id=request.model_id,
            text=text,
            finish_reason=FINISH_REASON_STOP,
            usage={"prompt_tokens": 5, "completion_tokens": 2},
            candidate=request.candidate,
            attempt=1,
        )


class RagWorld(World):
    router_type = Switchboard
    retrieval_type = Library
    router: Switchboard
    retrieval: Library
    reader: Reader
