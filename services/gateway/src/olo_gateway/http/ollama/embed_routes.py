"""POST /api/embed, and its predecessor POST /api/embeddings."""

from __future__ import annotations

import time
from typing import Final

from fastapi import APIRouter

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING
from olo.gateway.v1.gateway_service_pb2 import EmbedRequest
from olo_common.errors import InvalidField
from olo_contracts.vectors import unpack
from olo_gateway.http.extras import refuse
from olo_gateway.http.ollama import schemas
from olo_gateway.http.ollama.any_type import AnyTypeRoute
from olo_gateway.http.ollama.errors import responses
from olo_gateway.http.ollama.names import model_of
from olo_gateway.ports import Embedding, Selecting

_ERRORS: Final = responses(400, 404, 413, 415, 429, 503, 504)


def embed_routes(embedding: Embedding, selecting: Selecting) -> APIRouter:
    """The routes of vectors."""
    router = APIRouter(route_class=AnyTypeRoute, tags=["ollama"])

    @router.post("/api/embed", summary="Embed texts", responses=_ERRORS)
    async def embed(body: schemas.EmbedRequest) -> schemas.EmbedAnswer:
        refuse({"truncate": body.truncate is False})
        texts = [body.input] if isinstance(body.input, str) else body.input
        began = time.perf_counter_ns()
        if not any(texts):
            # In this dialect, nothing to embed asks whether the model is loaded.
            await selecting.explain(model_of(body.model), MODEL_TYPE_EMBEDDING)
            return schemas.EmbedAnswer(model=body.model, embeddings=[], total_duration=0, prompt_eval_count=0)
        answer = await embedding.embed(EmbedRequest(model=model_of(body.model), texts=texts))
        if body.dimensions not in (None, answer.vectors.dimension):
            raise InvalidField("dimensions", f"the vectors of this model have {answer.vectors.dimension}")
        return schemas.EmbedAnswer(
            model=body.model,
            embeddings=unpack(answer.vectors),
            total_duration=time.perf_counter_ns() - began,
            prompt_eval_count=answer.usage.prompt_tokens,
        )

    @router.post("/api/embeddings", summary="Embed a text (older)", responses=_ERRORS)
    async def embeddings(body: schemas.EmbeddingsRequest) -> schemas.EmbeddingsAnswer:
        if not body.prompt:
            await selecting.explain(model_of(body.model), MODEL_TYPE_EMBEDDING)
            return schemas.EmbeddingsAnswer(embedding=[])
        answer = await embedding.embed(EmbedRequest(model=model_of(body.model), texts=[body.prompt]))
        return schemas.EmbeddingsAnswer(embedding=unpack(answer.vectors)[0])

    return router
