"""The ports without any server: for tests, and for trying the edge alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from olo.common.v1.common_pb2 import ModelType, TokenUsage
from olo.embedding.v1.embedding_service_pb2 import RerankResult
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import (
    RUN_STATE_CANCELLED,
    RUN_STATE_COMPLETED,
    RUN_STATE_FAILED,
    RUN_STATE_RUNNING,
    ChatRequest,
    ChatResponse,
    Run,
    RunError,
    RunProgress,
)
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import InvalidField, OloError
from olo_contracts.vectors import pack
from olo_gateway.errors import DeadlineExceeded, ModelNotFound, RequestIdConflict, RunNotFound
from olo_gateway.ports import Hear
from olo_gateway.streaming.events import Chunk

Answering = Callable[[str, ChatRequest], Awaitable[ChatResponse]]


class InMemoryTokenStreams:
    """Delivers what is said to whoever listens, and keeps it for who comes later."""

    def __init__(self) -> None:
        self._listening: dict[str, list[Hear]] = {}
        self._said: dict[str, list[Chunk]] = {}

    def say(self, run_id: str, chunk: Chunk) -> None:
        """Delivers a chunk."""
        self._said.setdefault(run_id, []).append(chunk)
        for hear in self._listening.get(run_id, ()):
            hear(chunk)

    def keep(self, run_id: str, chunk: Chunk) -> None:
        """Has a chunk be known that nobody hears."""
        self._said.setdefault(run_id, []).append(chunk)

    @asynccontextmanager
    async def listen(self, run_id: str, hear: Hear) -> AsyncIterator[None]:
        """See `ports.TokenStreams`."""
        self._listening.setdefault(run_id, []).append(hear)
        try:
            yield
        finally:
            self._listening[run_id].remove(hear)

    async def history(self, run_id: str) -> AsyncGenerator[Chunk, None]:
        """See `ports.TokenStreams`."""
        for chunk in list(self._said.get(run_id, ())):
            yield chunk


class InMemoryRuns:
    """Runs that end with this process.

    Args:
        answering: Makes the answer of a run.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._tasks: dict[str, asyncio.Task[ChatResponse]] = {}
        self._fingerprints: dict[str, str] = {}
        self.started: list[tuple[str, ChatRequest]] = []
        self.busy_with: dict[str, RunProgress] = {}

    async def start(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        """See `ports.Runs`."""
        if self._fingerprints.setdefault(run_id, fingerprint) != fingerprint:
            raise RequestIdConflict
        if run_id not in self._tasks:
            self.started.append((run_id, request))
            self._tasks[run_id] = asyncio.ensure_future(self._answering(run_id, request))

    async def exists(self, run_id: str) -> bool:
        """See `ports.Runs`."""
        return run_id in self._tasks

    async def result(self, run_id: str, timeout: float) -> ChatResponse:
        """See `ports.Runs`."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._task(run_id)), timeout)
        except TimeoutError:
            raise DeadlineExceeded("the run has not ended in time") from None

    async def cancel(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        self._task(run_id).cancel()
        await asyncio.wait([self._task(run_id)])
        return await self.get(run_id)

    async def get(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        task = self._task(run_id)
        if not task.done():
            return Run(run_id=run_id, state=RUN_STATE_RUNNING)
        if task.cancelled():
            return Run(run_id=run_id, state=RUN_STATE_CANCELLED)
        if isinstance(error := task.exception(), OloError):
            return Run(
                run_id=run_id, state=RUN_STATE_FAILED, error=RunError(reason=error.reason, message=error.message)
            )
        return Run(run_id=run_id, state=RUN_STATE_COMPLETED, response=task.result())

    async def progress(self, run_id: str) -> RunProgress:
        """See `ports.Runs`."""
        return self.busy_with.get(run_id, RunProgress())

    async def request(self, run_id: str) -> ChatRequest:
        """See `ports.Runs`."""
        for started, request in self.started:
            if started == run_id:
                return request
        raise RunNotFound

    async def trace(self, run_id: str) -> gateway.TraceRunResponse:
        """See `ports.Runs`. Knows no steps."""
        return gateway.TraceRunResponse(run_id=run_id, state=(await self.get(run_id)).state)

    async def delete(self, run_id: str) -> None:
        """See `ports.Runs`."""
        self._task(run_id).cancel()
        del self._tasks[run_id], self._fingerprints[run_id]

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        """See `ports.Runs`. Knows no pages."""
        return [await self.get(run_id) for run_id in self._tasks], ""

    def _task(self, run_id: str) -> asyncio.Task[ChatResponse]:
        if run_id not in self._tasks:
            raise RunNotFound
        return self._tasks[run_id]


class InMemoryCatalogue:
    """A fixed set of models."""

    def __init__(self, models: list[gateway.ModelSummary]) -> None:
        self._models = models

    async def list(self, page_size: int, page_token: str, model_type: ModelType) -> gateway.ListModelsResponse:
        """See `ports.Catalogue`. The page token is a position."""
        first = int(page_token or 0)
        last = first + (page_size or len(self._models))
        following = str(last) if last < len(self._models) else ""
        return gateway.ListModelsResponse(models=self._models[first:last], next_page_token=following)

    async def get(self, model_id: str) -> gateway.ModelSummary:
        """See `ports.Catalogue`."""
        for model in self._models:
            if model.model_id == model_id:
                return model
        raise ModelNotFound


class InMemoryEmbedding:
    """Gives each text the vector that it was given, and ranks documents by their length."""

    def __init__(self, vector: Sequence[float] = (3.0, 4.0)) -> None:
        self._vector = vector
        self.asked: list[gateway.EmbedRequest] = []

    async def embed(self, request: gateway.EmbedRequest) -> gateway.EmbedResponse:
        """See `ports.Embedding`."""
        self.asked.append(request)
        vectors = pack([self._vector for _ in request.texts])
        return gateway.EmbedResponse(
            model="embedder", vectors=vectors, usage=TokenUsage(prompt_tokens=len(request.texts))
        )

    async def rerank(self, request: gateway.RerankRequest) -> gateway.RerankResponse:
        """See `ports.Embedding`."""
        scored = sorted(enumerate(request.documents), key=lambda one: -len(one[1]))
        results = [RerankResult(index=place, score=len(text)) for place, text in scored]
        return gateway.RerankResponse(model="reranker", results=results[: request.top_n or None])


class InMemoryTokenizing:
    """Has a token for each byte."""

    async def tokenize(self, request: gateway.TokenizeRequest) -> gateway.TokenizeResponse:
        """See `ports.Tokenizing`."""
        text = request.input.text or "".join(message.content for message in request.input.messages)
        return gateway.TokenizeResponse(model="bytes", token_ids=list(text.encode()), context_limit=512)

    async def detokenize(self, request: gateway.DetokenizeRequest) -> gateway.DetokenizeResponse:
        """See `ports.Tokenizing`."""
        if any(token > 255 for token in request.token_ids):
            raise InvalidField("token_ids", "the model has no such token")
        text = bytes(request.token_ids).decode(errors="replace")
        return gateway.DetokenizeResponse(model="bytes", text=text)


class InMemoryRouting:
    """A router that knows what it was given."""

    def __init__(
        self,
        rankings: router.ListRankingsResponse | None = None,
        status: router.GetStatusResponse | None = None,
        syncs: Sequence[BenchmarkSource] | None = None,
    ) -> None:
        self._rankings = rankings or router.ListRankingsResponse()
        self._status = status or router.GetStatusResponse()
        self._syncs = syncs
        self.asked: list[router.ListRankingsRequest] = []

    async def rankings(self, request: router.ListRankingsRequest) -> router.ListRankingsResponse:
        """See `ports.Routing`."""
        self.asked.append(request)
        return self._rankings

    async def status(self) -> router.GetStatusResponse:
        """See `ports.Routing`."""
        return self._status

    async def syncs(self) -> Sequence[BenchmarkSource] | None:
        """See `ports.Routing`."""
        return self._syncs
