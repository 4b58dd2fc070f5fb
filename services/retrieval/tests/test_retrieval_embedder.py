"""Embedding through the router: one choice for a second, another address after a failure."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from olo.embedding.v1 import embedding_service_pb2 as embedding_pb
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_common.grpc_client import channel
from olo_contracts.vectors import pack
from olo_retrieval.adapters.router_embedder import RouterEmbedder
from olo_retrieval.errors import EmbeddingMismatch
from olo_retrieval.types import EmbeddingModel, InputSide, SparseVector

MODEL = EmbeddingModel("mini", 2)
NOBODY = "127.0.0.1:9"


@dataclass
class Router(router_grpc.RouterServiceServicer):
    addresses: list[str] = field(default_factory=list)
    """Given out in turn; the last one for ever."""
    asked: list[router_pb.SelectModelsRequest] = field(default_factory=list)

    async def SelectModels(self, request: router_pb.SelectModelsRequest, context: Any) -> Any:
        self.asked.append(request)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        candidate = router_pb.Candidate(model_id="mini", address=address, embedding_dimension=2)
        return router_pb.SelectModelsResponse(candidates=[candidate])


class Worker(embedding_grpc.EmbeddingServiceServicer):
    failure: grpc.StatusCode | None = None
    broken: bool = False

    async def Embed(self, request: embedding_pb.EmbedRequest, context: Any) -> embedding_pb.EmbedResponse:
        if self.failure is not None:
            await context.abort(self.failure, "no")
        return embedding_pb.EmbedResponse(vectors=pack([[1.0, float(len(text))] for text in request.texts]))

    async def EmbedSparse(
        self, request: embedding_pb.EmbedSparseRequest, context: Any
    ) -> embedding_pb.EmbedSparseResponse:
        if self.failure is not None:
            await context.abort(self.failure, "no")
        values = b"" if self.broken else struct.pack("<2f", 0.5, 1.5)
        vector = embedding_pb.SparseVector(indices=struct.pack("<2I", 7, 2**32 - 1), values=values)
        return embedding_pb.EmbedSparseResponse(vectors=[vector] * len(request.texts))

    async def Rerank(self, request: embedding_pb.RerankRequest, context: Any) -> embedding_pb.RerankResponse:
        indices = reversed(range(len(request.documents) - self.broken))
        results = [embedding_pb.RerankResult(index=i, score=len(request.documents[i])) for i in indices]
        return embedding_pb.RerankResponse(results=results)


@dataclass
class World:
    router: Router
    worker: str
    model: Worker
    embedder: RouterEmbedder
    now: float = 100.0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    server, router, model = grpc.aio.server(), Router(), Worker()
    router_grpc.add_RouterServiceServicer_to_server(router, server)
    embedding_grpc.add_EmbeddingServiceServicer_to_server(model, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    router.addresses = [address]
    async with channel(address) as opened:
        made = World(router, address, model, RouterEmbedder(opened, timeout=5.0, clock=lambda: made.now))
        yield made
        await made.embedder.close()
    await server.stop(None)


async def embed(world: World, model: EmbeddingModel = MODEL) -> list[list[float]]:
    return await world.embedder.embed(model, ["a", "bcd"], InputSide.PASSAGE)


async def test_the_choice_holds_for_a_second(world: World) -> None:
    assert await embed(world) == [[1.0, 1.0], [1.0, 3.0]]
    await embed(world)
    assert len(world.router.asked) == 1
    world.now += 1.0
    await embed(world)
    assert len(world.router.asked) == 2


async def test_a_dead_address_is_replaced_once(world: World) -> None:
    world.router.addresses = [NOBODY, world.worker]
    assert await embed(world) == [[1.0, 1.0], [1.0, 3.0]]


async def test_two_dead_addresses_are_unavailable_and_forgotten(world: World) -> None:
    world.router.addresses = [NOBODY, NOBODY, world.worker]
    with pytest.raises(OloError) as caught:
        await embed(world)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert len(await embed(world)) == 2


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.NOT_FOUND])
async def test_a_model_that_is_slow_or_not_there_is_unavailable(world: World, code: grpc.StatusCode) -> None:
    world.model.failure = code
    with pytest.raises(OloError) as caught:
        await embed(world)
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_vectors_of_another_dimension_are_refused(world: World) -> None:
    with pytest.raises(EmbeddingMismatch):
        await embed(world, EmbeddingModel("mini", 3))


async def test_choosing_gives_the_default_model_its_name(world: World) -> None:
    assert await world.embedder.choose("") == MODEL
    assert world.router.asked[0].model == ""


async def test_sparse_vectors_and_scores_come_in_the_order_of_the_texts(world: World) -> None:
    expected = SparseVector([7, 2**32 - 1], [0.5, 1.5])
    assert await world.embedder.embed_sparse(MODEL, ["a", "b"], InputSide.PASSAGE) == [expected, expected]
    assert await world.embedder.rerank(MODEL, "q", ["a", "bbb", "cc"]) == [1.0, 3.0, 2.0]


async def test_sparse_vectors_and_scores_that_do_not_match_are_refused(world: World) -> None:
    world.model.broken = True
    with pytest.raises(Unavailable, match="one vector for each text"):
        await world.embedder.embed_sparse(MODEL, ["a"], InputSide.PASSAGE)
    with pytest.raises(Unavailable, match="scored each passage once"):
        await world.embedder.rerank(MODEL, "q", ["a", "b"])
