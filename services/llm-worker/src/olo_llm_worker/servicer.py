"""`olo.inference.v1.InferenceService`: translates and calls inward. A caller that goes away ends its generation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import InvalidField
from olo_common.logs import logger
from olo_llm_worker.convert import Answering, to_job, to_messages, to_tools
from olo_llm_worker.errors import ModelDamaged, ModelDirectoryError
from olo_llm_worker.generation.answers import answering, prompt_tokens
from olo_llm_worker.generation.options import MAX_SYSTEM_PROMPTS, MAX_TOKENIZED
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.generation.types import Job
from olo_llm_worker.responses import Identity, duration, introduction
from olo_llm_worker.telemetry import inference

Context = grpc.aio.ServicerContext[Any, Any]


class InferenceServicer(rpc.InferenceServiceServicer):
    """Serves one model.

    Args:
        slot: Where the scheduler is.
        identity: Who answers.
    """

    def __init__(self, slot: ModelSlot, identity: Identity) -> None:
        self._slot = slot
        self._identity = identity

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> pb.GenerateResponse:
        """Answers in one message."""
        answer = Answering.of(request, self._identity)
        job = to_job(request, answer.request_id, timeout=context.time_remaining())
        with inference(request, self._identity) as seen:
            async with answering(self._slot.scheduler, job) as generation:
                response = answer.response(await generation.result())
            seen(response)
            return response

    async def GenerateStream(
        self, request: pb.GenerateStreamRequest, context: Context
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        """Answers in chunks."""
        answer = Answering.of(request.request, self._identity)
        job = to_job(request.request, answer.request_id, timeout=context.time_remaining())
        async with answering(self._slot.scheduler, job) as generation:
            async for chunk in generation.chunks():
                yield pb.GenerateStreamResponse(chunk=answer.chunk(chunk))

    async def CountTokens(self, request: pb.CountTokensRequest, context: Context) -> pb.CountTokensResponse:
        """Counts the tokens of the rendered prompt."""
        scheduler = self._slot.scheduler
        job = Job("", to_messages(request.messages), tools=to_tools(request.tools))
        tokens = await prompt_tokens(scheduler, job)
        return pb.CountTokensResponse(prompt_tokens=len(tokens), context_limit=scheduler.info.context_limit)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """Gives the tokens of a text or of a conversation."""
        scheduler = self._slot.scheduler
        if bool(request.text) == bool(request.messages):
            raise InvalidField("text", "either a text or messages are needed")
        if len(request.text) > MAX_TOKENIZED:
            raise InvalidField("text", f"at most {MAX_TOKENIZED} characters are allowed")
        if request.text:
            tokens = await scheduler.tokenize_text(request.text)
        else:
            tokens = await prompt_tokens(
                scheduler, Job("", to_messages(request.messages), tools=to_tools(request.tools))
            )
        return pb.TokenizeResponse(
            model_id=self._identity.model_id, token_ids=tokens, context_limit=scheduler.info.context_limit
        )

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Context) -> pb.DetokenizeResponse:
        """Gives the text of tokens."""
        if len(request.token_ids) > MAX_TOKENIZED:
            raise InvalidField("token_ids", f"at most {MAX_TOKENIZED} tokens are allowed")
        text = await self._slot.scheduler.detokenize(request.token_ids)
        return pb.DetokenizeResponse(model_id=self._identity.model_id, text=text)

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Context) -> pb.GetModelInfoResponse:
        """Describes the model."""
        info = self._slot.info
        response = introduction(self._identity, info.hardware)
        facts = pb.GetModelInfoResponse(
            family=info.family,
            quantization=info.quantization,
            context_limit=info.context_limit,
            license=info.license,
            compute_type=info.compute_type,
            loaded=self._slot.loaded,
            capabilities=info.capabilities,
        )
        response.MergeFrom(facts)
        return response

    async def Abort(self, request: pb.AbortRequest, context: Context) -> pb.AbortResponse:
        """Ends what runs or waits under the id."""
        return pb.AbortResponse(aborted=self._slot.scheduler.abort(request.request_id))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        """Loads the model where it is not loaded."""
        try:
            return pb.LoadModelResponse(elapsed=duration(await self._slot.load()))
        except ModelDirectoryError as error:
            logger(__name__).error("model_damaged", problem=str(error))
            raise ModelDamaged from error

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Frees the model once all that was taken has ended."""
        await self._slot.unload()
        return pb.UnloadModelResponse()

    async def WarmModel(self, request: pb.WarmModelRequest, context: Context) -> pb.WarmModelResponse:
        """Has the model answer shortly, and read system prompts."""
        if len(request.system_prompts) > MAX_SYSTEM_PROMPTS:
            raise InvalidField("system_prompts", f"at most {MAX_SYSTEM_PROMPTS} are allowed")
        return pb.WarmModelResponse(elapsed=duration(await self._slot.warm(request.system_prompts)))
