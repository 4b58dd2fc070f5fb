"""The gRPC face: olo.embedding.v1.EmbeddingService."""

from __future__ import annotations

from typing import Any, Final

import grpc

from olo.embedding.v1 import embedding_service_pb2 as pb
from olo.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceServicer
from olo_embed_worker import convert
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.embedding import Embedding
from olo_embed_worker.ports import EmbeddingEngine

# Texts of one step: another caller's step runs in between, and a caller who goes away is let go after it.
_PIECE: Final = 16

Context = grpc.aio.ServicerContext[Any, Any]


class EmbeddingServicer(EmbeddingServiceServicer):
    """Translates and calls inward.

    Args:
        embedding: Answers `Embed`.
        engine: Answers the other calls.
        lane: The thread in which it does, but for counting tokens.
        tokenizing: The thread for that.
        model_info: The answer to `GetModelInfo`.
    """

    def __init__(
        self,
        embedding: Embedding,
        engine: EmbeddingEngine,
        lane: Lane,
        tokenizing: Lane,
        model_info: pb.GetModelInfoResponse,
    ) -> None:
        self._embedding = embedding
        self._engine = engine
        self._lane = lane
        self._tokenizing = tokenizing
        self._model_info = model_info

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        return await self._embedding.embed(request)

    async def EmbedSparse(self, request: pb.EmbedSparseRequest, context: Context) -> pb.EmbedSparseResponse:
        texts, kind = convert.texts_of(request.texts), convert.kind_of(request.input_type)
        vectors = await self._lane.run_pieces(texts, _PIECE, lambda piece: self._engine.embed_sparse(piece, kind))
        return pb.EmbedSparseResponse(vectors=[convert.sparse_vector(vector) for vector in vectors])

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        query = convert.text_of(request.query, "query")
        documents = convert.texts_of(request.documents, "documents")
        scores = await self._lane.run_pieces(documents, _PIECE, lambda piece: self._engine.rerank(query, piece))
        return convert.rerank_response(scores, request.top_n, self._model_info.reranker_model)

    async def CountTokens(self, request: pb.CountTokensRequest, context: Context) -> pb.CountTokensResponse:
        texts = convert.texts_of(request.texts)
        tokenized = await self._tokenizing.run(len(texts), lambda: self._engine.tokenize(texts))
        return pb.CountTokensResponse(
            tokens=[text.tokens for text in tokenized], context_limit=self._model_info.context_limit
        )

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Context) -> pb.GetModelInfoResponse:
        return self._model_info
