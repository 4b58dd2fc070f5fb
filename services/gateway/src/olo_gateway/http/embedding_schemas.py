"""The shapes of embeddings and of reranking."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from olo_gateway.http.shapes import AnswerShape, RequestShape


class EmbeddingRequest(RequestShape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "auto", "input": ["The Nile", "The Congo"]}]})

    input: str | list[str] | list[int] | list[list[int]]
    """A text, or at most 2048. Tokens are not supported."""
    model: str | None = None
    """Id of an embedding model; `auto`, or none: the default one."""
    encoding_format: Literal["float", "base64"] | None = None
    """`base64`: little-endian float32."""
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Cut the vectors to so many numbers, and bring them to length 1 again. Models that were not trained for it lose
    more by it than others."""


class Embedding(AnswerShape):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(AnswerShape):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(AnswerShape):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class RerankDocument(RequestShape):
    text: str


class RerankBody(RequestShape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": "Where does the Nile rise?", "documents": ["In Burundi.", "It flows north."]}]
        }
    )

    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[str | RerankDocument], Field(min_length=1, max_length=2048)]
    model: str | None = None
    """Name of a reranker, or id of an embedding model whose instances have one; `auto`, or none: any."""
    top_n: Annotated[int, Field(ge=1, le=2048)] | None = None
    return_documents: bool | None = None


class RerankedDocument(AnswerShape):
    text: str


class Reranked(AnswerShape):
    index: int
    """Position among the documents of the request."""
    relevance_score: float
    """Higher is better; the range is that of the reranker."""
    document: RerankedDocument | None = None


class RerankAnswer(AnswerShape):
    id: str
    model: str
    results: list[Reranked]
    """Best first."""
    meta: dict[str, Any]
