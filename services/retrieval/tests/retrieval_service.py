"""The whole retrieval service for tests: a router and an embedding model of the test's own, and a client."""

from __future__ import annotations

import array
import asyncio
import hashlib
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from olo.embedding.v1 import embedding_service_pb2 as embedding_pb
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceStub
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import TemporalSettings
from olo_contracts.vectors import pack
from olo_retrieval.app import running
from olo_retrieval.settings import RetrievalSettings

DIMENSION = 64


def hashed(text: str) -> list[float]:
    vector = [0.0] * DIMENSION
    for word in text.lower().replace(".", " ").replace("?", " ").split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSION] += 1.0
    norm = math.hypot(*vector) or 1.0
    return [value / norm for value in vector]


def hashed_words(text: str) -> embedding_pb.SparseVector:
    terms = sorted({int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) for word in text.lower().split()})
    values = array.array("f", [1.0] * len(terms))
    return embedding_pb.SparseVector(indices=array.array("I", terms).tobytes(), values=values.tobytes())


class Models(router_grpc.RouterServiceServicer, embedding_grpc.EmbeddingServiceServicer):
    """A router that knows one embedding model, and that model."""

    def __init__(self, texts_before_wait: int) -> None:
        self.address = ""
        self.go_on = asyncio.Event()
        self._texts_before_wait = texts_before_wait

    async def SelectModels(self, request: Any, context: Any) -> router_pb.SelectModelsResponse:
        candidate = router_pb.Candidate(model_id="hashing", address=self.address, embedding_dimension=DIMENSION)
        return router_pb.SelectModelsResponse(candidates=[candidate])

    async def Embed(self, request: embedding_pb.EmbedRequest, context: Any) -> embedding_pb.EmbedResponse:
        if self._texts_before_wait <= 0:
            await self.go_on.wait()
        self._texts_before_wait -= len(request.texts)
        return embedding_pb.EmbedResponse(vectors=pack([hashed(text) for text in request.texts]))

    async def EmbedSparse(
        self, request: embedding_pb.EmbedSparseRequest, context: Any
    ) -> embedding_pb.EmbedSparseResponse:
        return embedding_pb.EmbedSparseResponse(vectors=[hashed_words(text) for text in request.texts])


@asynccontextmanager
async def serving_models(texts_before_wait: int = 1_000_000) -> AsyncIterator[Models]:
    """Both on one address. After so many texts nothing is embedded until `go_on` is set."""
    server, servicer = grpc.aio.server(), Models(texts_before_wait)
    router_grpc.add_RouterServiceServicer_to_server(servicer, server)
    embedding_grpc.add_EmbeddingServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield servicer
    await server.stop(None)


@dataclass
class Client:
    stub: Any
    sources: Any
    collection: str
    """Its own for each directory: workflow ids name it, and all tests share one Temporal server."""
    address: str

    async def ask(self, method: str, request: Any) -> Any:
        """Calls a method of either service."""
        stub = self.sources if hasattr(self.sources, method) else self.stub
        return await call(getattr(stub, method), request, peer="retrieval", timeout=10.0)

    async def stage(self, content: str, document_id: str = "guide") -> pb.Document:
        document = pb.DocumentInput(document_id=document_id, source=f"{document_id}.md", content=content)
        request = pb.IngestDocumentRequest(collection=self.collection, document=document)
        return (await self.ask("IngestDocument", request)).document

    async def settled(self, document_id: str = "guide") -> pb.Document:
        """The document, once it is not being indexed any more."""
        request = pb.GetDocumentRequest(collection=self.collection, document_id=document_id)
        while (found := (await self.ask("GetDocument", request)).document).state == pb.DOCUMENT_STATE_INDEXING:
            await asyncio.sleep(0.02)
        return found

    async def find(self, text: str) -> list[str]:
        """The texts found, once the index is complete."""
        while True:
            try:
                response = await self.ask("Search", pb.SearchRequest(collection=self.collection, query=text, top_k=3))
            except OloError as error:
                assert error.code is ErrorCode.UNAVAILABLE
                await asyncio.sleep(0.02)
            else:
                return [passage.text for passage in response.passages]


@asynccontextmanager
async def retrieval(
    directory: Path, models: str, temporal: str, vectors: str = "memory", **more: Any
) -> AsyncIterator[Client]:
    """The service in this process, its data in the directory."""
    settings = RetrievalSettings(
        port=0,
        grace_seconds=0.0,
        database_url=f"sqlite:///{directory}/retrieval.db",
        vector_store=vectors,
        router_target=models,
        upkeep_seconds=0.2,
        temporal=TemporalSettings(address=temporal),
        **more,
    )
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(running(settings, Lifetime()))
        opened = await stack.enter_async_context(channel(address))
        yield client_of(opened, directory, address)


def client_of(opened: grpc.aio.Channel, directory: Path, address: str) -> Client:
    """A client with the collection of a directory."""
    name = f"c{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}"
    return Client(RetrievalServiceStub(opened), SourceServiceStub(opened), name, address)
