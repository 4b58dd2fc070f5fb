"""Embedding: the router names an instance, which is then called."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import grpc

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING
from olo.embedding.v1 import embedding_service_pb2 as embedding
from olo.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.router.v1.router_service_pb2 import SelectModelsRequest, SelectModelsResponse
from olo_common.errors import InvalidField
from olo_common.grpc_client import call, open_channel
from olo_contracts.identifiers import DEFAULT_TENANT

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

MAX_TEXTS: Final = 2048
_SELECT_SECONDS: Final = 3.0
_EMBED_SECONDS: Final = 60.0
_MAX_CHANNELS: Final = 32


class RoutedEmbedding:
    """Embeds texts on the instance that the router puts first; keeps the channels to the last few instances."""

    def __init__(self, router: RouterServiceAsyncStub) -> None:
        self._router = router
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()

    async def embed(self, request: gateway.EmbedRequest) -> gateway.EmbedResponse:
        """See `ports.Embedding`."""
        if not 1 <= len(request.texts) <= MAX_TEXTS:
            raise InvalidField("texts", f"1 to {MAX_TEXTS} texts are allowed")
        selection: SelectModelsResponse = await call(
            self._router.SelectModels,
            SelectModelsRequest(
                model_type=MODEL_TYPE_EMBEDDING, model=request.model, max_candidates=1, tenant=DEFAULT_TENANT
            ),
            peer="the router",
            timeout=_SELECT_SECONDS,
        )
        candidate = selection.candidates[0]
        vectors: embedding.EmbedResponse = await call(
            EmbeddingServiceStub(await self._channel(candidate.address)).Embed,
            embedding.EmbedRequest(model_id=candidate.model_id, texts=request.texts),
            peer="the embedding model",
            timeout=_EMBED_SECONDS,
        )
        return gateway.EmbedResponse(model=vectors.model_id, vectors=vectors.vectors, usage=vectors.usage)

    async def close(self) -> None:
        """Closes the channels."""
        while self._channels:
            await self._channels.popitem()[1].close()

    async def _channel(self, address: str) -> grpc.aio.Channel:
        channel = self._channels.pop(address, None) or open_channel(address)
        self._channels[address] = channel
        if len(self._channels) > _MAX_CHANNELS:
            await self._channels.popitem(last=False)[1].close(grace=_EMBED_SECONDS)
        return channel
