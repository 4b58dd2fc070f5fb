"""kill -9 of the embedding model in the middle of an ingest, and of retrieval in the middle of that and a migration."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from tests.integration.retrieval_parts import Client, client_of

from olo.retrieval.v1 import migration_service_pb2 as migration_pb
from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import OloError
from olo_common.grpc_client import channel
from olo_retrieval.adapters.vectors.edge import open_edge
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.types import EmbeddingModel, Hit, Selection
from olo_testing.ports import free_port
from olo_testing.processes import running

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DOCUMENTS, EARLY, PARAGRAPHS = 9, 5, 70
SECONDS_PER_PASSAGE = 0.003
OLD, NEW = EmbeddingModel("hashing", 64), EmbeddingModel("finer", 128)


class Process:
    """A process that is killed without warning, and started again as it was."""

    def __init__(self, directory: Path, module: str, port: int, *arguments: str, **env: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._port = port
        self._log = directory / f"{module}.log"
        self._env = {**env, "PYTHONPATH": str(ROOT)}
        self._stack = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        child = running(self._command, port=self._port, log=self._log, env=self._env, wait_seconds=60.0)
        self._child = self._stack.enter_context(child)

    def kill(self) -> None:
        """Gives it no time for anything."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self) -> None:
        """Lets it end in order."""
        self._stack.close()


@contextmanager
def process(directory: Path, module: str, port: int, *arguments: str, **env: str) -> Iterator[Process]:
    made = Process(directory, module, port, *arguments, **env)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@asynccontextmanager
async def connected(address: str, directory: Path) -> AsyncIterator[Client]:
    """A client, once the service answers."""
    async with channel(address) as opened:
        client = client_of(opened, directory, address)
        while True:
            try:
                await client.ask("ListCollections", pb.ListCollectionsRequest())
            except OloError:
                await asyncio.sleep(0.05)
            else:
                break
        yield client


async def percents(client: Client) -> float:
    """The percents of all documents."""
    listed = await client.ask("ListDocuments", pb.ListDocumentsRequest(collection=client.collection))
    return sum(document.progress.percent for document in listed.documents)


async def contents(directory: Path, model: EmbeddingModel) -> list[Hit]:
    """Every point of the only index that the model has embedded."""
    with sqlite3.connect(directory / "retrieval.db") as database:
        [(old, new)] = database.execute("SELECT source_index_uid, target_index_uid FROM migrations")
    async with open_edge(directory / "vectors", IndexOptions()) as store:
        whole = Selection("default", old if model == OLD else new)
        return await store.search(model, whole, [1.0] * model.dimension, 10_000)


def text_of(document: str) -> str:
    return "\n\n".join(f"{document} paragraph {n} " + "word " * 30 for n in range(PARAGRAPHS))


async def test_no_passage_is_missing_or_doubled(tmp_path: Path, temporal_address: str) -> None:
    model_port, port = free_port(), free_port()
    address = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        embedding = stack.enter_context(
            process(
                tmp_path, "tests.integration.retrieval_models", model_port, str(model_port), str(SECONDS_PER_PASSAGE)
            )
        )
        retrieval = stack.enter_context(
            process(
                tmp_path,
                "olo_retrieval",
                port,
                OLO_RETRIEVAL_PORT=str(port),
                OLO_RETRIEVAL_METRICS_PORT="0",
                OLO_RETRIEVAL_DATABASE_URL=f"sqlite:///{tmp_path}/retrieval.db",
                OLO_RETRIEVAL_VECTOR_STORE=f"edge:{tmp_path}/vectors",
                OLO_RETRIEVAL_ROUTER_TARGET=f"127.0.0.1:{model_port}",
                OLO_RETRIEVAL_UPKEEP_SECONDS="0.5",
                TEMPORAL_ADDRESS=temporal_address,
            )
        )
        names = [f"d{number}" for number in range(DOCUMENTS)]
        async with connected(address, tmp_path) as client:
            collection = client.collection
            await client.ask("CreateCollection", pb.CreateCollectionRequest(name=collection))
            for document in names[:EARLY]:
                await client.stage(text_of(document), document)
            while await percents(client) < 60:
                await asyncio.sleep(0.02)
            embedding.kill()
            embedding.start()
            for document in names[:EARLY]:
                await client.settled(document)
            start = migration_pb.StartMigrationRequest(collection=collection, embedding_model_id=NEW.model_id)
            await client.ask("StartMigration", start)
            for document in names[EARLY:]:
                await client.stage(text_of(document), document)
            get = migration_pb.GetMigrationRequest(collection=collection)
            while not (await client.ask("GetMigration", get)).migration.documents_done:
                await asyncio.sleep(0.02)
            retrieval.kill()
        retrieval.start()
        async with connected(address, tmp_path) as client:
            ends = {document: await client.settled(document) for document in names}
            assert {(end.state, end.chunk_count) for end in ends.values()} == {(pb.DOCUMENT_STATE_READY, PARAGRAPHS)}
            found = await client.migrated(migration_pb.MIGRATION_STATE_SERVING, migration_pb.MIGRATION_STATE_FAILED)
            assert found.state == migration_pb.MIGRATION_STATE_SERVING
            assert len(await client.find("d3 paragraph 8")) == 3
        retrieval.stop()
        for model in (OLD, NEW):
            hits = await contents(tmp_path, model)
            passages = sorted((hit.piece.document_id, hit.piece.version, hit.piece.index) for hit in hits)
            assert passages == [(document, 1, index) for document in names for index in range(PARAGRAPHS)]
