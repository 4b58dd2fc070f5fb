"""Embedding and reranking on the instances that the router names."""

from __future__ import annotations

from typing import Final

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING
from olo.embedding.v1 import embedding_service_pb2 as embedding
from olo.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo_common.errors import InvalidField, OloError
from olo_common.grpc_client import call
from olo_contracts.identifiers import AUTO_MODEL
from olo_gateway.adapters.routed_instances import CALL_SECONDS, RoutedInstances
from olo_gateway.errors import ModelNotFound, NoReranker

MAX_TEXTS: Final = 2048
_MOST_TRIED: Final = 8
_PEER: Final = "the embedding model"
_NONE_LOADED: Final = "reranker_not_loaded"


class RoutedEmbedding:
    """See `ports.Embedding`."""

    def __init__(self, instances: RoutedInstances) -> None:
        self._instances = instances

    async def embed(self, request: gateway.EmbedRequest) -> gateway.EmbedResponse:
        """See `ports.Embedding`."""
        if not 1 <= len(request.texts) <= MAX_TEXTS:
            raise InvalidField("texts", f"1 to {MAX_TEXTS} texts are allowed")
        candidate = (await self._instances.candidates(MODEL_TYPE_EMBEDDING, request.model))[0]
        vectors: embedding.EmbedResponse = await call(
            EmbeddingServiceStub(await self._instances.channel(candidate.address)).Embed,
            embedding.EmbedRequest(model_id=candidate.model_id, texts=request.texts),
            peer=_PEER,
            timeout=CALL_SECONDS,
        )
        return gateway.EmbedResponse(model=vectors.model_id, vectors=vectors.vectors, usage=vectors.usage)

    async def rerank(self, request: gateway.RerankRequest) -> gateway.RerankResponse:
        """See `ports.Embedding`. The router knows no rerankers: they live beside embedding models, which are asked."""
        if not 1 <= len(request.documents) <= MAX_TEXTS:
            raise InvalidField("documents", f"1 to {MAX_TEXTS} texts are allowed")
        wanted = "" if request.model == AUTO_MODEL else request.model
        asked = embedding.RerankRequest(query=request.query, documents=request.documents, top_n=request.top_n)
        for candidate in await self._instances.candidates(MODEL_TYPE_EMBEDDING, "", _MOST_TRIED):
            stub = EmbeddingServiceStub(await self._instances.channel(candidate.address))
            if wanted not in ("", candidate.model_id):
                info = await call(stub.GetModelInfo, embedding.GetModelInfoRequest(), peer=_PEER, timeout=CALL_SECONDS)
                if info.reranker_model != wanted:
                    continue
            try:
                found: embedding.RerankResponse = await call(stub.Rerank, asked, peer=_PEER, timeout=CALL_SECONDS)
            except OloError as error:
                if error.reason != _NONE_LOADED:
                    raise
                continue
            return gateway.RerankResponse(model=found.model_id, results=found.results)
        raise ModelNotFound if wanted else NoReranker
