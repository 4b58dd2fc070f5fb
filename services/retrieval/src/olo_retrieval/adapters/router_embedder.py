"""Embeds on the instance that the router chooses."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message

from olo.common.v1 import common_pb2
from olo.embedding.v1 import embedding_service_pb2, embedding_service_pb2_grpc
from olo.router.v1 import router_service_pb2, router_service_pb2_grpc
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_common.grpc_client import call, channel, open_channel
from olo_common.settings import TlsSettings
from olo_contracts.vectors import unpack
from olo_retrieval.errors import EmbeddingMismatch
from olo_retrieval.types import EmbeddingModel, InputSide, SparseVector

V = TypeVar("V")
_Method: TypeAlias = Callable[[embedding_service_pb2_grpc.EmbeddingServiceStub], Any]

_CHOICE_SECONDS = 1.0
_SELECT_TIMEOUT_SECONDS = 5.0
_MOST_CHANNELS = 32
_NO_MODEL = "the embedding model is not available"
# A model that is not registered yet, or an instance that is too slow now: for a collection that exists, both pass.
_PASSING = (ErrorCode.NOT_FOUND, ErrorCode.DEADLINE_EXCEEDED)
_SIDES = {
    InputSide.QUERY: embedding_service_pb2.INPUT_TYPE_QUERY,
    InputSide.PASSAGE: embedding_service_pb2.INPUT_TYPE_PASSAGE,
}


class RouterEmbedder:
    """An Embedder.

    Args:
        router: Channel to the router.
        timeout: Seconds that one Embed call may take.
        clock: Seconds, growing.
        tls: How instances are called; None: without TLS.
    """

    def __init__(
        self,
        router: grpc.aio.Channel,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
        tls: TlsSettings | None = None,
    ) -> None:
        self._router = router_service_pb2_grpc.RouterServiceStub(router)
        self._timeout = timeout
        self._clock = clock
        self._tls = tls
        self._choices: dict[str, tuple[float, str]] = {}
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()

    async def choose(self, model_id: str) -> EmbeddingModel:
        """The model of this id, or the default where it is empty."""
        candidate = await self._select(model_id)
        return EmbeddingModel(candidate.model_id, candidate.embedding_dimension)

    async def embed(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        """One vector for each text."""
        request = embedding_service_pb2.EmbedRequest(model_id=model.model_id, texts=texts, input_type=_SIDES[side])
        response = await self._ask(model, lambda stub: stub.Embed, request)
        if response.vectors.dimension != model.dimension:
            raise EmbeddingMismatch(model.dimension, response.vectors.dimension)
        try:
            rows = unpack(response.vectors)
        except ValueError:
            rows = []
        return _one_each(rows, texts)

    async def embed_sparse(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[SparseVector]:
        """One sparse vector for each text."""
        request = embedding_service_pb2.EmbedSparseRequest(texts=texts, input_type=_SIDES[side])
        response = await self._ask(model, lambda stub: stub.EmbedSparse, request)
        try:
            rows = [_sparse_vector(vector) for vector in response.vectors]
        except ValueError:
            rows = []
        return _one_each(rows, texts)

    async def rerank(self, model: EmbeddingModel, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query."""
        request = embedding_service_pb2.RerankRequest(query=query, documents=texts)
        response = await self._ask(model, lambda stub: stub.Rerank, request)
        scores = {result.index: result.score for result in response.results}
        if sorted(scores) != list(range(len(texts))):
            raise Unavailable("the reranker has not scored each passage once", retry_after=1.0)
        return [scores[index] for index in range(len(texts))]

    async def close(self) -> None:
        """Closes the channels."""
        while self._channels:
            await self._channels.popitem()[1].close()

    async def _ask(self, model: EmbeddingModel, method: _Method, request: Message) -> Any:
        """The response of an instance of the model; the router is asked once more where the first address fails."""
        try:
            return await self._call(model, method, request)
        except OloError as error:
            self._choices.pop(model.model_id, None)
            if not (error.retryable or error.code in _PASSING):
                raise
        try:
            return await self._call(model, method, request)
        except OloError as error:
            self._choices.pop(model.model_id, None)
            if error.code in _PASSING:
                raise Unavailable(_NO_MODEL, retry_after=1.0) from error
            raise

    async def _call(self, model: EmbeddingModel, method: _Method, request: Message) -> Any:
        stub = embedding_service_pb2_grpc.EmbeddingServiceStub(await self._channel(await self._address(model.model_id)))
        return await call(method(stub), request, peer="the embedding model", timeout=self._timeout)

    async def _address(self, model_id: str) -> str:
        until, address = self._choices.get(model_id, (0.0, ""))
        if self._clock() >= until:
            address = (await self._select(model_id)).address
            self._choices[model_id] = (self._clock() + _CHOICE_SECONDS, address)
        return address

    async def _select(self, model_id: str) -> router_service_pb2.Candidate:
        request = router_service_pb2.SelectModelsRequest(
            model_type=common_pb2.MODEL_TYPE_EMBEDDING, model=model_id, max_candidates=1
        )
        method, timeout = self._router.SelectModels, _SELECT_TIMEOUT_SECONDS
        response = await call(method, request, peer="the router", timeout=timeout)
        if not response.candidates or not response.candidates[0].address:
            raise Unavailable(_NO_MODEL, retry_after=1.0)
        candidate: router_service_pb2.Candidate = response.candidates[0]
        return candidate

    async def _channel(self, address: str) -> grpc.aio.Channel:
        opened = self._channels.get(address)
        if opened is None:
            opened = self._channels[address] = open_channel(address, self._tls)
        self._channels.move_to_end(address)
        if len(self._channels) > _MOST_CHANNELS:
            # The one that has not been used for longest: no call is left on it.
            await self._channels.popitem(last=False)[1].close()
        return opened


@asynccontextmanager
async def router_embedder(
    target: str, *, timeout: float, tls: TlsSettings | None = None
) -> AsyncIterator[RouterEmbedder]:
    """An embedder that asks the router at `target`; its channels are closed afterwards."""
    async with channel(target, tls) as router:
        embedder = RouterEmbedder(router, timeout=timeout, tls=tls)
        try:
            yield embedder
        finally:
            await embedder.close()


def _one_each(rows: list[V], texts: Sequence[str]) -> list[V]:
    if len(rows) != len(texts):
        raise Unavailable("the embedding model has not answered with one vector for each text", retry_after=1.0)
    return rows


def _sparse_vector(vector: embedding_service_pb2.SparseVector) -> SparseVector:
    indices = np.frombuffer(vector.indices, "<u4").tolist()
    values = np.frombuffer(vector.values, "<f4").tolist()
    if len(indices) != len(values):
        raise ValueError("indices and values do not match")
    return SparseVector(indices, values)
