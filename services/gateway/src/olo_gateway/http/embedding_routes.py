"""POST /v1/embeddings and /v1/rerank."""

from __future__ import annotations

import base64
import math
import uuid
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo_common.errors import InvalidField, OloError
from olo_contracts.identifiers import AUTO_MODEL, MODEL_ID, is_valid
from olo_contracts.vectors import pack, unpack
from olo_gateway.http import embedding_schemas as schemas
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.forms import unsupported
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Embedding
from olo_gateway.runs.texts import utf8_length

MAX_TEXTS: Final = 2048
DIRECT_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is wrong; `param` names it.", **AN_ERROR},
    404: {"description": "The model does not exist.", **AN_ERROR},
    413: {"description": "The body is too large.", **AN_ERROR},
    415: {"description": "The body is no plain JSON.", **AN_ERROR},
    429: {"description": "The model has too much to do; see Retry-After.", **AN_ERROR},
    503: {"description": "No such model answers now; see Retry-After.", **AN_ERROR},
}


def embedding_routes(embedding: Embedding) -> APIRouter:
    """The routes of embedding models."""
    router = APIRouter(route_class=StrictRoute, tags=["embeddings"])

    @router.post(
        "/v1/embeddings",
        response_model=schemas.EmbeddingList,
        summary="Turn texts into vectors",
        responses=DIRECT_ERRORS,
    )
    async def embed(body: schemas.EmbeddingRequest) -> Response:
        return JSONResponse((await embedded(embedding, body)).model_dump())

    @router.post(
        "/v1/rerank",
        summary="Order documents by how well they answer a query",
        responses={**DIRECT_ERRORS, 412: {"description": "No instance has a reranker.", **AN_ERROR}},
    )
    async def rerank(body: schemas.RerankBody) -> schemas.RerankAnswer:
        documents = [one if isinstance(one, str) else one.text for one in body.documents]
        utf8_length("query", body.query)
        for number, text in enumerate(documents):
            if not text:
                raise InvalidField(f"documents[{number}]", "the text is empty")
            utf8_length(f"documents[{number}]", text)
        asked = gateway.RerankRequest(
            model=model_named(body.model), query=body.query, documents=documents, top_n=body.top_n or 0
        )
        found = await embedding.rerank(asked)
        return schemas.RerankAnswer(
            id=f"rerank-{uuid.uuid4().hex}",
            model=found.model,
            results=[
                schemas.Reranked(
                    index=result.index,
                    relevance_score=result.score,
                    document=schemas.RerankedDocument(text=documents[result.index]) if body.return_documents else None,
                )
                for result in found.results
            ],
            meta={"api_version": {"version": "1"}},
        )

    return router


async def embedded(embedding: Embedding, body: schemas.EmbeddingRequest) -> schemas.EmbeddingList:
    """The vectors that a body asks for.

    Raises:
        OloError: A field is wrong, or no model answers.
    """
    texts = texts_of(body)
    found = await _asked(embedding.embed(gateway.EmbedRequest(model=model_named(body.model), texts=texts)))
    rows = unpack(found.vectors)
    if body.dimensions is not None and body.dimensions != found.vectors.dimension:
        if body.dimensions > found.vectors.dimension:
            raise InvalidField("dimensions", f"the vectors of this model have {found.vectors.dimension}")
        rows = [_shortened(row, body.dimensions) for row in rows]
    encoded = body.encoding_format == "base64"
    tokens = found.usage.prompt_tokens
    return schemas.EmbeddingList(
        data=[
            schemas.Embedding(index=number, embedding=_base64(row) if encoded else row)
            for number, row in enumerate(rows)
        ],
        model=found.model,
        usage=schemas.EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def model_named(model: str | None) -> str:
    """The model that is meant; empty: the router's choice.

    Raises:
        InvalidField: No model has such a name.
    """
    if not model or model == AUTO_MODEL:
        return ""
    if not is_valid(MODEL_ID, model):
        raise InvalidField("model", "1 to 128 letters, digits and ._:/- are allowed, beginning with a letter or digit")
    return model


def texts_of(body: schemas.EmbeddingRequest) -> list[str]:
    """The texts of a body.

    Raises:
        InvalidField: Naming the one that is wrong.
    """
    texts = [body.input] if isinstance(body.input, str) else list[Any](body.input)
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InvalidField("input", f"must be 1 to {MAX_TEXTS} texts")
    for number, text in enumerate(texts):
        field = "input" if isinstance(body.input, str) else f"input[{number}]"
        if not isinstance(text, str):
            raise unsupported("input", "tokens are not supported, texts are")
        if not text:
            raise InvalidField(field, "the text is empty")
        utf8_length(field, text)
    return texts


async def _asked(asked: Any) -> gateway.EmbedResponse:
    """The vectors; what is wrong with the texts is told of `input`."""
    try:
        found: gateway.EmbedResponse = await asked
    except OloError as error:
        if error.field is not None and error.field.startswith("texts"):
            error.field = error.field.replace("texts", "input", 1)
            error.message = error.message.replace("texts", "input", 1)
        raise
    return found


def _shortened(row: list[float], dimensions: int) -> list[float]:
    short = row[:dimensions]
    length = math.sqrt(sum(value * value for value in short))
    return [value / length for value in short] if length else short


def _base64(row: list[float]) -> str:
    return base64.b64encode(pack([row]).data).decode()
