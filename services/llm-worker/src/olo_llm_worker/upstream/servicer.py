"""`olo.inference.v1.InferenceService` for a model that is served elsewhere."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_llm_worker.responses import Identity, duration, introduction
from olo_llm_worker.upstream.convert import Answering, to_request, to_tools, to_turns
from olo_llm_worker.upstream.errors import NotLoadedHere, TokenizerElsewhere
from olo_llm_worker.upstream.relay.desk import Desk
from olo_llm_worker.upstream.relay.engine import TextEngine
from olo_llm_worker.upstream.relay.types import TextRequest

Context = grpc.aio.ServicerContext[Any, Any]


class UpstreamServicer(rpc.InferenceServiceServicer):
    """Serves one model.

    Args:
        desk: Who relays.
        engine: Where text comes from.
        identity: Who answers.
        hardware: What the other server runs the model on: cpu or gpu.
    """

    def __init__(self, desk: Desk, engine: TextEngine, identity: Identity, *, hardware: str) -> None:
        self._desk = desk
        self._engine = engine
        self._identity = identity
        self._hardware = hardware

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> pb.GenerateResponse:
        """Answers in one message."""
        said = Answering.of(request, self._identity)
        wanted = to_request(request, said.request_id, timeout=context.time_remaining())
        async with self._desk.answer(wanted) as answer:
            return said.response(await answer.result())

    async def GenerateStream(
        self, request: pb.GenerateStreamRequest, context: Context
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        """Answers in chunks."""
        said = Answering.of(request.request, self._identity)
        wanted = to_request(request.request, said.request_id, timeout=context.time_remaining())
        async with self._desk.answer(wanted) as answer:
            async for chunk in answer.chunks():
                yield pb.GenerateStreamResponse(chunk=said.chunk(chunk))

    async def CountTokens(self, request: pb.CountTokensRequest, context: Context) -> pb.CountTokensResponse:
        """Estimates the tokens of the prompt."""
        wanted = TextRequest("", to_turns(request.messages), tools=to_tools(request.tools))
        tokens = self._desk.count_tokens(wanted)
        return pb.CountTokensResponse(prompt_tokens=tokens, context_limit=self._desk.facts.context_limit)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """Refused: an estimate would be no tokens."""
        raise TokenizerElsewhere

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Context) -> pb.DetokenizeResponse:
        """Refused, as `Tokenize` is."""
        raise TokenizerElsewhere

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Context) -> pb.GetModelInfoResponse:
        """Describes the model. What the other server computes it with is not known."""
        facts = self._desk.facts
        response = introduction(self._identity, self._hardware)
        known = pb.GetModelInfoResponse(
            family=facts.family,
            context_limit=facts.context_limit,
            loaded=True,
            capabilities=facts.capabilities,
        )
        response.MergeFrom(known)
        return response

    async def Abort(self, request: pb.AbortRequest, context: Context) -> pb.AbortResponse:
        """Ends what runs or waits under the id."""
        return pb.AbortResponse(aborted=self._desk.abort(request.request_id))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        """Asks whether the other server can answer."""
        began = time.monotonic()
        await self._engine.check()
        return pb.LoadModelResponse(elapsed=duration(time.monotonic() - began))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Refused: the memory is not here."""
        raise NotLoadedHere

    async def WarmModel(self, request: pb.WarmModelRequest, context: Context) -> pb.WarmModelResponse:
        """Refused: it could cost money, and warms nothing for certain."""
        raise NotLoadedHere
