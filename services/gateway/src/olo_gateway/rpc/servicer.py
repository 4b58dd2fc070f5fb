"""GatewayService over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import grpc

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.errors import InvalidField
from olo_contracts.metadata import NEW_REQUEST
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.calls.replays import Replays
from olo_gateway.convert.runs import order_of, point_of
from olo_gateway.errors import ClientTooSlow
from olo_gateway.ports import Catalogue, Embedding, Runs, Tokenizing
from olo_gateway.runs.order import ChatOrder
from olo_gateway.streaming.events import Delta, Reset

MAX_RUNS_PER_PAGE: Final = 100
DEFAULT_RUNS_PER_PAGE: Final = 20

Context = grpc.aio.ServicerContext[Any, Any]


class GatewayServicer(GatewayServiceServicer):
    """Translates calls and answers.

    Args:
        chats: Answers.
        runs: Durable runs.
        catalogue: The models.
        embedding: Vectors.
        tokenizing: Tokens.
        client_patience: Seconds that a stream waits for its caller to read.
    """

    def __init__(
        self,
        chats: Chats,
        runs: Runs,
        catalogue: Catalogue,
        embedding: Embedding,
        tokenizing: Tokenizing,
        *,
        client_patience: float,
    ) -> None:
        self._chats = chats
        self._client_patience = client_patience
        self._runs = runs
        self._replays = Replays(runs, chats)
        self._catalogue = catalogue
        self._embedding = embedding
        self._tokenizing = tokenizing

    async def Chat(self, request: ChatRequest, context: Context) -> ChatResponse:
        """Runs a request and waits for its answer."""
        return await self._chats.answer(_order_of(request, context))

    async def ChatStream(  # type: ignore[override]  # the stubs know generators alone; grpc takes both
        self, request: gateway.ChatStreamRequest, context: Context
    ) -> None:
        """Runs a request, or follows a run, and sends the answer as it comes into being."""
        async with aclosing(self._events(request, context)) as events:
            async for event in events:
                await self._send(_message_of(event), context)

    def _events(self, request: gateway.ChatStreamRequest, context: Context) -> AsyncGenerator[ChatEvent, None]:
        point = point_of(request)
        if not request.run_id:
            return self._chats.stream(_order_of(request.request, context), point)
        if request.HasField("request"):
            raise InvalidField("run_id", "goes without a request")
        return self._chats.follow(request.run_id, point, context.time_remaining())

    async def _send(self, message: gateway.ChatStreamResponse, context: Context) -> None:
        """Sends an event; returns once the transport has taken it, which waits for the caller to read."""
        try:
            async with asyncio.timeout(self._client_patience):
                await context.write(message)
        except TimeoutError:
            raise ClientTooSlow from None

    async def GetRun(self, request: gateway.GetRunRequest, context: Context) -> gateway.GetRunResponse:
        """Returns one run."""
        return gateway.GetRunResponse(run=await self._runs.get(_run_id(request.run_id)))

    async def ListRuns(self, request: gateway.ListRunsRequest, context: Context) -> gateway.ListRunsResponse:
        """Lists runs, newest first."""
        if request.page_size > MAX_RUNS_PER_PAGE:
            raise InvalidField("page_size", f"must be from 1 to {MAX_RUNS_PER_PAGE}")
        runs, following = await self._runs.list(request.page_size or DEFAULT_RUNS_PER_PAGE, request.page_token)
        return gateway.ListRunsResponse(runs=runs, next_page_token=following)

    async def CancelRun(self, request: gateway.CancelRunRequest, context: Context) -> gateway.CancelRunResponse:
        """Asks a run to stop."""
        return gateway.CancelRunResponse(run=await self._runs.cancel(_run_id(request.run_id)))

    async def ReplayRun(self, request: gateway.ReplayRunRequest, context: Context) -> gateway.ReplayRunResponse:
        """Runs the request of an earlier run anew."""
        return await self._replays.replay(
            _run_id(request.run_id), model=request.model, profile=request.profile, time_left=context.time_remaining()
        )

    async def TraceRun(self, request: gateway.TraceRunRequest, context: Context) -> gateway.TraceRunResponse:
        """Tells where the time of a run went."""
        return await self._runs.trace(_run_id(request.run_id))

    async def ListModels(self, request: gateway.ListModelsRequest, context: Context) -> gateway.ListModelsResponse:
        """Lists the models that can be asked for."""
        return await self._catalogue.list(request.page_size, request.page_token, request.model_type)

    async def Embed(self, request: gateway.EmbedRequest, context: Context) -> gateway.EmbedResponse:
        """Returns one vector for each text."""
        return await self._embedding.embed(request)

    async def Rerank(self, request: gateway.RerankRequest, context: Context) -> gateway.RerankResponse:
        """Orders documents by how well they answer a query."""
        return await self._embedding.rerank(request)

    async def Tokenize(self, request: gateway.TokenizeRequest, context: Context) -> gateway.TokenizeResponse:
        """Gives the tokens of a text or of a conversation."""
        return await self._tokenizing.tokenize(request)

    async def Detokenize(self, request: gateway.DetokenizeRequest, context: Context) -> gateway.DetokenizeResponse:
        """Gives the text of tokens."""
        return await self._tokenizing.detokenize(request)


def _order_of(request: ChatRequest, context: Context) -> ChatOrder:
    """What is asked, with what its caller says beside the message."""
    order = order_of(request)
    if (NEW_REQUEST, "true") in (context.invocation_metadata() or ()):
        order = replace(order, new=True)
    return order.within(context.time_remaining())


def _run_id(run_id: str) -> str:
    if not run_id:
        raise InvalidField("run_id", "must not be empty")
    return run_id


def _message_of(event: ChatEvent) -> gateway.ChatStreamResponse:
    match event:
        case Started(run_id, _):
            return gateway.ChatStreamResponse(started=gateway.RunStarted(run_id=run_id))
        case Progress(progress):
            return gateway.ChatStreamResponse(progress=progress)
        case Delta(text, offset, checksum):
            return gateway.ChatStreamResponse(delta=gateway.TextDelta(text=text, offset=offset, checksum=checksum))
        case Reset(reason):
            return gateway.ChatStreamResponse(reset=gateway.TextReset(reason=reason))
        case Completed(response):
            return gateway.ChatStreamResponse(completed=response)
