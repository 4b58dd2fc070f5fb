"""A retrieval service in the process of a test, and a client of one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from olo.retrieval.v1 import migration_service_pb2 as migration_pb
from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.migration_service_pb2_grpc import MigrationServiceStub
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceStub
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import TemporalSettings
from olo_retrieval.app import running
from olo_retrieval.settings import RetrievalSettings


@dataclass
class Client:
    stub: Any
    migrations: Any
    sources: Any
    collection: str
    """Its own for each directory: workflow ids name it, and all tests share one Temporal server."""
    address: str

    async def ask(self, method: str, request: Any) -> Any:
        """Calls a method of any of the services."""
        stub = next(stub for stub in (self.stub, self.migrations, self.sources) if hasattr(stub, method))
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

    async def migrated(self, *states: migration_pb.MigrationState) -> migration_pb.Migration:
        """The newest migration, once it is in one of these states."""
        request = migration_pb.GetMigrationRequest(collection=self.collection)
        while (found := (await self.ask("GetMigration", request)).migration).state not in states:
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
    """The service, with its files in a directory, while it is entered."""
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
        yield client_of(await stack.enter_async_context(channel(address)), directory, address)


def client_of(opened: grpc.aio.Channel, directory: Path, address: str) -> Client:
    """A client of the retrieval service behind a channel."""
    name = f"c{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}"
    documents, migrations, sources = (
        stub(opened) for stub in (RetrievalServiceStub, MigrationServiceStub, SourceServiceStub)
    )
    return Client(documents, migrations, sources, name, address)
