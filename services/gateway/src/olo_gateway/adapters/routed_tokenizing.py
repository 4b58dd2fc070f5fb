"""Tokenizing on the instances that the router names."""

from __future__ import annotations

from typing import Final

from olo.common.v1.common_pb2 import MODEL_TYPE_LLM
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.inference.v1 import inference_service_pb2 as inference
from olo.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from olo_common.grpc_client import call
from olo_gateway.adapters.routed_instances import CALL_SECONDS, RoutedInstances

_PEER: Final = "the model"


class RoutedTokenizing:
    """See `ports.Tokenizing`."""

    def __init__(self, instances: RoutedInstances) -> None:
        self._instances = instances

    async def tokenize(self, request: gateway.TokenizeRequest) -> gateway.TokenizeResponse:
        """See `ports.Tokenizing`."""
        stub = await self._stub(request.model)
        told: inference.TokenizeResponse = await call(stub.Tokenize, request.input, peer=_PEER, timeout=CALL_SECONDS)
        return gateway.TokenizeResponse(model=told.model_id, token_ids=told.token_ids, context_limit=told.context_limit)

    async def detokenize(self, request: gateway.DetokenizeRequest) -> gateway.DetokenizeResponse:
        """See `ports.Tokenizing`."""
        stub, asked = await self._stub(request.model), inference.DetokenizeRequest(token_ids=request.token_ids)
        told: inference.DetokenizeResponse = await call(stub.Detokenize, asked, peer=_PEER, timeout=CALL_SECONDS)
        return gateway.DetokenizeResponse(model=told.model_id, text=told.text)

    async def _stub(self, model: str) -> InferenceServiceStub:
        candidate = (await self._instances.candidates(MODEL_TYPE_LLM, model))[0]
        return InferenceServiceStub(await self._instances.channel(candidate.address))
