"""Retrieval as a whole on a real Temporal server, with a router and an embedding worker of the test's own."""

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
import pytest
from retrieval_files import pdf

from olo.embedding.v1 import embedding_service_pb2 as embedding_pb
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.router.v1 import router_service_pb2 as router_pb
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import TemporalSettings
from olo_contracts.vectors import pack
from olo_retrieval.app import running
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.settings import RetrievalSettings
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration

DIMENSION = 64
OLD = "# Ferries\n\nThe ferry to Lindwall leaves at six in the morning."
NEW = "# Ferries\n\nThe ferry to Lindwall leaves at nine in the evening."
OTHER = "# Bees\n\nA hive of bees makes forty kilograms of honey in a good year."


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

    address = ""

    async def SelectModels(self, request: Any, context: Any) -> router_pb.SelectModelsResponse:
        candidate = router_pb.Candidate(model_id="hashing", address=self.address, embedding_dimension=DIMENSION)
        return router_pb.SelectModelsResponse(candidates=[candidate])

    async def Embed(self, request: embedding_pb.EmbedRequest, context: Any) -> embedding_pb.EmbedResponse:
        return embedding_pb.EmbedResponse(vectors=pack([hashed(text) for text in request.texts]))

    async def EmbedSparse(
        self, request: embedding_pb.EmbedSparseRequest, context: Any
    ) -> embedding_pb.EmbedSparseResponse:
        return embedding_pb.EmbedSparseResponse(vectors=[hashed_words(text) for text in request.texts])


@pytest.fixture
async def models() -> AsyncIterator[str]:
    server, servicer = grpc.aio.server(), Models()
    router_grpc.add_RouterServiceServicer_to_server(servicer, server)
    embedding_grpc.add_EmbeddingServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield servicer.address
    await server.stop(None)


@dataclass
class Client:
    stub: Any
    collection: str
    """Its own for each directory: workflow ids name it, and all tests share one Temporal server."""

    async def ask(self, method: str, request: Any) -> Any:
        return await call(getattr(self.stub, method), request, peer="retrieval", timeout=10.0)

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
async def retrieval(directory: Path, models: str, temporal: str, vectors: str = "memory") -> AsyncIterator[Client]:
    settings = RetrievalSettings(
        port=0,
        grace_seconds=0.0,
        database_url=f"sqlite:///{directory}/retrieval.db",
        vector_store=vectors,
        router_target=models,
        upkeep_seconds=0.2,
        temporal=TemporalSettings(address=temporal),
    )
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(running(settings, Lifetime()))
        stub = RetrievalServiceStub(await stack.enter_async_context(channel(address)))
        yield Client(stub, f"c{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}")


def text_of(document: str) -> str:
    return document.split("\n\n")[1]


async def test_a_bad_file_does_not_stop_the_others(tmp_path: Path, models: str, temporal_address: str) -> None:
    files = {
        "times.pdf": pdf(["The train leaves at nine.", "The ferry leaves at six."]),
        "locked.pdf": b"%PDF-1.4 broken",
        "bees.html": b"<h1>Bees</h1><p>A hive makes forty kilograms of honey.",
    }
    async with retrieval(tmp_path, models, temporal_address) as client:
        await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        documents = [pb.DocumentInput(document_id=name, source=name, data=data) for name, data in files.items()]
        await client.ask(
            "IngestDocuments", pb.IngestDocumentsRequest(collection=client.collection, documents=documents)
        )
        ends = {name: await client.settled(name) for name in files}
        assert {name: (end.state, end.error_reason) for name, end in ends.items()} == {
            "times.pdf": (pb.DOCUMENT_STATE_READY, ""),
            "locked.pdf": (pb.DOCUMENT_STATE_FAILED, "document_malformed"),
            "bees.html": (pb.DOCUMENT_STATE_READY, ""),
        }
        request = pb.SearchRequest(collection=client.collection, query="ferry leaves", top_k=1)
        [passage] = (await client.ask("Search", request)).passages
        assert (passage.text, passage.page, passage.document_id) == ("The ferry leaves at six.", 2, "times.pdf")


async def test_ingest_search_update_and_restart(tmp_path: Path, models: str, temporal_address: str) -> None:
    async with retrieval(tmp_path, models, temporal_address) as client:
        await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        await client.stage(OLD)
        await client.stage(OTHER, "bees")
        assert (await client.settled()).state == pb.DOCUMENT_STATE_READY
        await client.settled("bees")
        assert await client.find("When leaves the ferry?") == [text_of(OLD), text_of(OTHER)]
        second = await client.stage(NEW)
        assert (second.version, (await client.settled()).version) == (2, 2)
        assert await client.find("When leaves the ferry?") == [text_of(NEW), text_of(OTHER)]
        assert (await client.stage(NEW)).state == pb.DOCUMENT_STATE_READY
    async with retrieval(tmp_path, models, temporal_address) as client:
        assert await client.find("honey of the bees") == [text_of(OTHER), text_of(NEW)]


@pytest.mark.parametrize("step", ["index", "swap"])
async def test_a_version_that_cannot_get_on_leaves_the_old_one_in_place(
    step: str, tmp_path: Path, models: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def broken(*_: Any) -> None:
        tried.set()
        raise Unavailable("a part is away")

    async with retrieval(tmp_path, models, temporal_address) as client:
        await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        await client.stage(OLD)
        await client.settled()
        with monkeypatch.context() as patch:
            patch.setattr(Indexer, step, broken)
            await client.stage(NEW)
            await tried.wait()
            assert await client.find("ferry") == [text_of(OLD)]
        assert (await client.settled()).state == pb.DOCUMENT_STATE_READY
        assert await client.find("ferry") == [text_of(NEW)]


@pytest.mark.parametrize("vectors", ["memory", "edge", "sqlite"])
async def test_a_process_that_ends_between_index_and_swap(
    vectors: str, tmp_path: Path, models: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = "memory" if vectors == "memory" else f"{vectors}:{tmp_path}/vectors"
    tried = asyncio.Event()

    async def broken(*_: Any) -> None:
        tried.set()
        raise Unavailable("a part is away")

    with monkeypatch.context() as patch:
        async with retrieval(tmp_path, models, temporal_address, location) as client:
            await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
            await client.stage(OLD)
            await client.settled()
            patch.setattr(Indexer, "swap", broken)
            await client.stage(NEW)
            await tried.wait()
    async with retrieval(tmp_path, models, temporal_address, location) as client:
        assert (await client.settled()).state == pb.DOCUMENT_STATE_READY
        assert await client.find("ferry") == [text_of(NEW)]


async def test_a_step_that_fails_for_good_is_told_and_the_old_version_stays(
    tmp_path: Path, models: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise OloError("no such thing")

    async with retrieval(tmp_path, models, temporal_address) as client:
        await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        await client.stage(OLD)
        await client.settled()
        monkeypatch.setattr(Indexer, "swap", refuse)
        await client.stage(NEW)
        failed = await client.settled()
        assert (failed.state, failed.version) == (pb.DOCUMENT_STATE_FAILED, 2)
        assert failed.error
        assert await client.find("ferry") == [text_of(OLD)]


async def test_without_temporal_searches_work_and_ingests_are_refused(
    tmp_path: Path, models: str, temporal_address: str
) -> None:
    async with retrieval(tmp_path, models, temporal_address) as client:
        await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        await client.stage(OLD)
        await client.settled()
    async with retrieval(tmp_path, models, f"127.0.0.1:{free_port()}") as client:
        assert await client.find("ferry") == [text_of(OLD)]
        with pytest.raises(OloError) as caught:
            await client.stage(NEW)
        assert (caught.value.code, caught.value.reason) == (ErrorCode.UNAVAILABLE, "dependency_unavailable")
        assert (await client.settled()).state == pb.DOCUMENT_STATE_FAILED
        assert await client.find("ferry") == [text_of(OLD)]
