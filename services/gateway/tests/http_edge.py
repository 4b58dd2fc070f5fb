"""An HTTP edge whose one model says hello, and does what else a question says."""

from __future__ import annotations

import asyncio

from olo.common.v1 import common_pb2
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ModelSummary
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1 import inference_service_pb2 as inference
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import ErrorCode, RemoteError
from olo_common.health import Health
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.calls.chats import Chats
from olo_gateway.http.app import http_app
from olo_gateway.http.streaming import StreamPace
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.streaming.events import Chunk


class Edge:
    """The HTTP side of a gateway whose runs are in memory."""

    def __init__(self) -> None:
        self.tokens = InMemoryTokenStreams()
        self.runs = InMemoryRuns(self._answer)
        self.release = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.health = Health(["temporal"])
        models = [
            ModelSummary(
                model_id=f"org/model-{n}",
                model_type=common_pb2.MODEL_TYPE_LLM,
                context_limit=512,
                available=True,
                default_flag=n == 0,
            )
            for n in range(3)
        ]
        self.admission = Admission(Bounds(4, 5, 4.0), jitter=lambda: 0.0)
        chats = Chats(self.runs, self.tokens, self.admission, RunLimits(30.0, 60.0))
        self.app = http_app(
            chats,
            InMemoryCatalogue(models),
            InMemoryRouting(),
            self.health,
            StreamPace(30.0, 5.0),
            runs=self.runs,
            embedding=InMemoryEmbedding(),
            tokenizing=InMemoryTokenizing(),
        )

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        said = request.messages[-1].content
        self.begun.set()
        try:
            return await self._said(run_id, said)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _said(self, run_id: str, said: str) -> ChatResponse:
        if said == "missing":
            raise RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "there is no such model", field="model")
        if said == "nobody":
            raise RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "no model is there", retry_after=1.2)
        if said == "bug":
            raise KeyError("secret")
        if said == "reset":
            self.tokens.say(run_id, Chunk(1, 1, 0, "Bye"))
        if said == "late failure":
            self.tokens.say(run_id, Chunk(1, 1, 0, "Hel"))
            await asyncio.sleep(0)
            raise RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "no model is there", retry_after=1.0)
        if said == "once":
            return answered(run_id)
        if said == "wait":
            await self.release.wait()
        self.tokens.say(run_id, Chunk(2, 1, 0, "Hel"))
        if said == "pause":
            await self.release.wait()
        self.tokens.say(run_id, Chunk(2, 1, 3, "lo"))
        return answered(run_id)


def answered(run_id: str) -> ChatResponse:
    return ChatResponse(
        run_id=run_id,
        model="org/model-1",
        message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, content="Hello [1]"),
        finish_reason=inference.FINISH_REASON_LENGTH,
        usage=common_pb2.TokenUsage(prompt_tokens=3, completion_tokens=2, cached_tokens=1),
        selection=run_pb2.Selection(
            candidates=[
                router.Candidate(model_id="org/model-1", reason=router.SELECTION_REASON_DEFAULT, address="10.0.0.1:1")
            ],
            rejections=[router.Rejection(model_id="m", filter="enabled", detail="off")],
        ),
        citations=[run_pb2.Citation(index=1, document_id="d", source="s.md", text="Hello.", cited=True)],
        attempts=[run_pb2.Attempt(candidate=1, model_id="org/model-1")],
    )
