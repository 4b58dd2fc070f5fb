"""A router and embedding models without weights: `python -m tests.integration.retrieval_models PORT SECONDS`."""

from __future__ import annotations

import array
import asyncio
import hashlib
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from olo.embedding.v1 import embedding_service_pb2 as embedding_pb
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_contracts.vectors import pack

DIMENSIONS = {"hashing": 64, "finer": 128}


def hashed(text: str, dimension: int) -> list[float]:
    vector = [0.0] * dimension
    for word in text.lower().replace(".", " ").replace("?", " ").split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimension] += 1.0
    norm = math.hypot(*vector) or 1.0
    return [value / norm for value in vector]


def hashed_words(text: str) -> embedding_pb.SparseVector:
    terms = sorted({int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) for word in text.lower().split()})
    values = array.array("f", [1.0] * len(terms))
    return embedding_pb.SparseVector(indices=array.array("I", terms).tobytes(), values=values.tobytes())


class Models(router_grpc.RouterServiceServicer, embedding_grpc.EmbeddingServiceServicer):
    """A router that knows two embedding models, and those."""

    def __init__(self, seconds: float = 0.0, texts_before_wait: int = 1_000_000) -> None:
        self.address = ""
        self.seconds = seconds
        """What embedding a passage takes, as if there was a model."""
        self.go_on = asyncio.Event()
        """Lets go on what waits after so many texts."""
        self._texts_before_wait = texts_before_wait

    async def SelectModels(self, request: Any, context: Any) -> router_pb.SelectModelsResponse:
        model_id = request.model or "hashing"
        candidate = router_pb.Candidate(
            model_id=model_id, address=self.address, embedding_dimension=DIMENSIONS[model_id]
        )
        return router_pb.SelectModelsResponse(candidates=[candidate])

    async def Embed(self, request: embedding_pb.EmbedRequest, context: Any) -> embedding_pb.EmbedResponse:
        if self._texts_before_wait <= 0:
            await self.go_on.wait()
        self._texts_before_wait -= len(request.texts)
        if request.input_type == embedding_pb.INPUT_TYPE_PASSAGE:
            await asyncio.sleep(self.seconds * len(request.texts))
        rows = [hashed(text, DIMENSIONS[request.model_id]) for text in request.texts]
        return embedding_pb.EmbedResponse(vectors=pack(rows))

    async def EmbedSparse(
        self, request: embedding_pb.EmbedSparseRequest, context: Any
    ) -> embedding_pb.EmbedSparseResponse:
        return embedding_pb.EmbedSparseResponse(vectors=[hashed_words(text) for text in request.texts])


@asynccontextmanager
async def served_models(
    port: int = 0, seconds: float = 0.0, texts_before_wait: int = 1_000_000
) -> AsyncIterator[Models]:
    """Serves both on one port while it is entered."""
    server, servicer = grpc.aio.server(), Models(seconds, texts_before_wait)
    router_grpc.add_RouterServiceServicer_to_server(servicer, server)
    embedding_grpc.add_EmbeddingServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield servicer
    finally:
        await server.stop(None)


async def main(port: int, seconds: float) -> None:
    async with served_models(port, seconds):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
