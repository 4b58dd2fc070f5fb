"""The `embed` call, which gRPC and Temporal share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from olo.embedding.v1 import embedding_service_pb2 as pb
from olo_common import genai
from olo_common.tracing import span
from olo_embed_worker import convert, telemetry
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.tickets import Embedded
from olo_embed_worker.errors import ModelNotServed, QueueFull
from olo_embed_worker.telemetry import Seen
from olo_embed_worker.types import EngineInfo, InputKind

MANY_TEXTS: Final = 1024
"""Texts of one activity, where their vectors fit into its result."""
_SLICE: Final = 64
_PAYLOAD_BYTES: Final = 1_900_000


class Embedding:
    """Answers `EmbedRequest`s.

    Args:
        batcher: What computes.
        model_id: The model that is served.
        info: What is loaded.
    """

    def __init__(self, batcher: MicroBatcher, model_id: str, info: EngineInfo) -> None:
        self._batcher = batcher
        self._model_id = model_id
        self._context_limit = info.context_limit
        self._dimension = info.dimension

    async def embed(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        """The vectors.

        Raises:
            OloError: The request is wrong, names another model, or cannot be taken now.
        """
        self._refuse_another_model(request)
        texts = convert.texts_of(request.texts)
        with self._measured(len(texts)) as counted:
            embedded = await self._batcher.embed(texts, convert.kind_of(request.input_type))
            counted(sum(embedded.tokens))
        return convert.embed_response(self._model_id, embedded, self._context_limit)

    async def embed_many(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        """The vectors of up to `MANY_TEXTS` texts. They are computed slice by slice, and wait where the queue is full.

        Raises:
            OloError: The request is wrong, names another model, or fails.
        """
        self._refuse_another_model(request)
        # A payload of Temporal may have 2 MiB.
        most = min(MANY_TEXTS, _PAYLOAD_BYTES // (4 * self._dimension))
        texts, kind = convert.texts_of(request.texts, most=most), convert.kind_of(request.input_type)
        with self._measured(len(texts)) as counted:
            slices = [texts[start : start + _SLICE] for start in range(0, len(texts), _SLICE)]
            parts = [await self._patiently(piece, kind) for piece in slices]
            counted(sum(sum(part.tokens) for part in parts))
        rows = np.concatenate([part.rows for part in parts])
        embedded = Embedded(rows, [tokens for part in parts for tokens in part.tokens])
        return convert.embed_response(self._model_id, embedded, self._context_limit)

    @contextmanager
    def _measured(self, texts: int) -> Iterator[Seen]:
        """A span around the body, which is measured, too, and tells the tokens of its texts."""
        with (
            telemetry.embedding(self._model_id) as seen,
            span(f"{genai.EMBEDDINGS} {self._model_id}", attributes=self._asked(texts)) as current,
        ):

            def counted(tokens: int) -> None:
                seen(tokens)
                current.set_attribute(genai.USAGE_INPUT_TOKENS, tokens)

            yield counted

    async def _patiently(self, texts: list[str], kind: InputKind) -> Embedded:
        while True:
            try:
                return await self._batcher.embed(texts, kind)
            except QueueFull as full:
                await asyncio.sleep(full.retry_after or 1.0)

    def _asked(self, texts: int) -> dict[str, str | int]:
        return {
            genai.OPERATION_NAME: genai.EMBEDDINGS,
            genai.PROVIDER_NAME: genai.PROVIDER,
            genai.REQUEST_MODEL: self._model_id,
            genai.EMBEDDING_DIMENSION: self._dimension,
            "olo.texts": texts,
        }

    def _refuse_another_model(self, request: pb.EmbedRequest) -> None:
        if request.model_id not in ("", self._model_id):
            raise ModelNotServed(f"this instance serves {self._model_id}, not {request.model_id[:128]}")
