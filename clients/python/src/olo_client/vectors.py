"""Vectors as they come over the wire."""

from __future__ import annotations

from dataclasses import dataclass

from olo.gateway.v1.gateway_service_pb2 import EmbedResponse
from olo_contracts.vectors import unpack


@dataclass(frozen=True)
class Embeddings:
    """One vector for each text, in the order of the texts.

    Attributes:
        model: The model that made them.
        vectors: As many rows as texts, each of the model's dimension.
        prompt_tokens: Tokens of all texts together.
    """

    model: str
    vectors: list[list[float]]
    prompt_tokens: int


def embeddings_from(response: EmbedResponse) -> Embeddings:
    """The rows of an answer."""
    return Embeddings(response.model, unpack(response.vectors), response.usage.prompt_tokens)
