"""The `embed` call, which gRPC and Temporal share."""

from __future__ import annotations

from olo.embedding.v1 import embedding_service_pb2 as pb
from olo_embed_worker import convert
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.errors import ModelNotServed


class Embedding:
    """Answers `EmbedRequest`s.

    Args:
        batcher: What computes.
        model_id: The model that is served.
        context_limit: Tokens after which it cuts a text.
    """

    def __init__(self, batcher: MicroBatcher, model_id: str, context_limit: int) -> None:
        self._batcher = batcher
        self._model_id = model_id
        self._context_limit = context_limit

    async def embed(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        """The vectors.

        Raises:
            OloError: The request is wrong, names another model, or cannot be taken now.
        """
        if request.model_id not in ("", self._model_id):
            raise ModelNotServed(f"this instance serves {self._model_id}, not {request.model_id[:128]}")
        texts = convert.texts_of(request.texts)
        embedded = await self._batcher.embed(texts, convert.kind_of(request.input_type))
        return convert.embed_response(self._model_id, embedded, self._context_limit)
