"""Messages to values, checked, and values to messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from olo.embedding.v1 import embedding_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_embed_worker.batching.tickets import Embedded
from olo_embed_worker.settings import MAX_TEXTS
from olo_embed_worker.types import InputKind, SparseVector

MAX_CHARACTERS: Final = 32_768


def texts_of(values: Sequence[str], field: str = "texts", *, most: int = MAX_TEXTS) -> list[str]:
    """The texts of a request.

    Raises:
        InvalidField: There are none, too many, or one is empty or too long.
    """
    if not 1 <= len(values) <= most:
        raise InvalidField(field, f"1 to {most} are allowed, not {len(values)}")
    return [text_of(value, f"{field}[{index}]") for index, value in enumerate(values)]


def text_of(value: str, field: str) -> str:
    """One text of a request.

    Raises:
        InvalidField: It is empty or too long.
    """
    if not 1 <= len(value) <= MAX_CHARACTERS:
        raise InvalidField(field, f"1 to {MAX_CHARACTERS} characters are allowed, not {len(value)}")
    return value


def kind_of(value: pb.InputType) -> InputKind:
    """The side of a search; a passage, unless a query is asked for."""
    return InputKind.QUERY if value == pb.INPUT_TYPE_QUERY else InputKind.PASSAGE


def sparse_vector(vector: SparseVector) -> pb.SparseVector:
    """A sparse vector as it travels."""
    return pb.SparseVector(
        indices=vector.indices.astype("<u4", copy=False).tobytes(),
        values=vector.values.astype("<f4", copy=False).tobytes(),
    )


def embed_response(model_id: str, embedded: Embedded, context_limit: int) -> pb.EmbedResponse:
    """The answer to `Embed`; the usage counts the tokens that the model has read."""
    rows = embedded.rows
    # Filled in place: a message that is handed to another's constructor is copied.
    response = pb.EmbedResponse(model_id=model_id)
    response.vectors.count, response.vectors.dimension = rows.shape
    response.vectors.data = rows.astype("<f4", copy=False).tobytes()
    response.usage.prompt_tokens = sum(min(count, context_limit) for count in embedded.tokens)
    return response


def rerank_response(scores: Sequence[float], top_n: int, model_id: str) -> pb.RerankResponse:
    """The answer to `Rerank`: the best first, of equals the earlier."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")[: top_n or len(scores)]
    results = [pb.RerankResult(index=int(index), score=scores[index]) for index in order]
    return pb.RerankResponse(results=results, model_id=model_id)
