"""Sources as a whole on a real Temporal server: folders, repositories, databases and streams, kept in step."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from nats.aio.client import Client as Nats
from pydantic import SecretStr
from temporalio.client import Client as Temporal
from tests.integration.retrieval_models import served_models
from tests.integration.retrieval_parts import Client, client_of, retrieval

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1 import source_service_pb2 as sources_pb
from olo_client.cli.program import run
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_gateway.app import running as gateway
from olo_gateway.settings import GatewaySettings
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.types import EmbeddingModel, Selection
from olo_testing import processes
from olo_testing.histories import recorded
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration

HISTORIES = Path(__file__).parents[2] / "services/retrieval/tests/histories"
RECORD = os.environ.get("OLO_RECORD_HISTORIES") == "1"
"""Set it to record the kinds of histories that `test_retrieval_replay.py` does not have yet."""

ENDED = (sources_pb.SOURCE_SYNC_STATE_SUCCEEDED, sources_pb.SOURCE_SYNC_STATE_FAILED)


@pytest.fixture
async def models() -> AsyncIterator[str]:
    async with served_models() as served:
        yield served.address


@dataclass
class Synced:
    client: Client

    async def add(self, source_id: str = "docs", **configuration: Any) -> sources_pb.Source:
        source = sources_pb.Source(source_id=source_id, collection=self.client.collection, **configuration)
        return (await self.client.ask("CreateSource", sources_pb.CreateSourceRequest(source=source))).source

    async def get(self, source_id: str = "docs") -> sources_pb.Source:
        request = sources_pb.GetSourceRequest(collection=self.client.collection, source_id=source_id)
        return (await self.client.ask("GetSource", request)).source

    async def start(self, source_id: str = "docs", accept_deletions: bool = False) -> sources_pb.SourceSync:
        request = sources_pb.SyncSourceRequest(
            collection=self.client.collection, source_id=source_id, accept_deletions=accept_deletions
        )
        return (await self.client.ask("SyncSource", request)).source.last_sync

    async def until(
        self, reached: Callable[[sources_pb.SourceSync], bool], source_id: str = "docs"
    ) -> sources_pb.SourceSync:
        while not reached(sync := (await self.get(source_id)).last_sync):
            await asyncio.sleep(0.02)
        return sync

    async def sync(self, source_id: str = "docs", accept_deletions: bool = False) -> sources_pb.SourceSync:
        """Starts one and waits for its end."""
        number = (await self.start(source_id, accept_deletions)).number
        return await self.until(lambda sync: sync.number >= number and sync.state in ENDED, source_id)

    async def documents(self) -> dict[str, pb.Document]:
        """By their sources."""
        request = pb.ListDocumentsRequest(collection=self.client.collection, page_size=1000)
        found = (await self.client.ask("ListDocuments", request)).documents
        return {document.source: document for document in found}

    async def list(self) -> Sequence[sources_pb.Source]:
        request = sources_pb.ListSourcesRequest(collection=self.client.collection)
        return (await self.client.ask("ListSources", request)).sources


@asynccontextmanager
async def syncing(directory: Path, models: str, temporal: str, **settings: Any) -> AsyncIterator[Synced]:
    more = {"source_cache": directory / "cache", "source_roots": str(directory / "files"), **settings}
    async with retrieval(directory, models, temporal, **more) as client:
        existing = await client.ask("ListCollections", pb.ListCollectionsRequest())
        if client.collection not in {collection.name for collection in existing.collections}:
            await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        yield Synced(client)


@asynccontextmanager
async def process(directory: Path, environment: dict[str, str]) -> AsyncIterator[tuple[Synced, Callable[[], None]]]:
    """The service in a process of its own, and a way to kill it."""
    port = free_port()
    command = [sys.executable, "-m", "olo_retrieval"]
    settings = {**environment, "OLO_RETRIEVAL_PORT": str(port)}
    starting = processes.running(command, port=port, log=directory / "retrieval.log", env=settings, wait_seconds=60)
    child = await asyncio.to_thread(starting.__enter__)
    try:
        address = f"127.0.0.1:{port}"
        async with channel(address) as opened:
            yield Synced(client_of(opened, directory, address)), child.kill
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def record(name: str, address: str, synced: Synced, status: str = "Completed") -> None:
    """Writes the history of the newest workflow of a collection, if there is none of this name."""
    path = HISTORIES / f"{name}.json"
    if not RECORD or path.exists():
        return
    client = await Temporal.connect(address)
    query = f"WorkflowId STARTS_WITH 'sync-source/default/{synced.client.collection}/' AND ExecutionStatus = '{status}'"
    while not (found := [run async for run in client.list_workflows(query)]):
        await asyncio.sleep(0.1)
    newest = max(found, key=lambda run: run.start_time)
    history = await client.get_workflow_handle(newest.id, run_id=newest.run_id).fetch_history()
    path.write_text(recorded(history).replace(synced.client.collection, "demo"))


def counts(sync: sources_pb.SourceSync) -> dict[str, int]:
    names = ("listed", "added", "updated", "unchanged", "deleted", "failed", "held_deletions")
    return {name: getattr(sync, name) for name in names if getattr(sync, name)}


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\n{content}")


async def test_a_folder_is_kept_in_step(tmp_path: Path, models: str, temporal_address: str) -> None:
    files = tmp_path / "files"
    write(files, tram="The tram leaves at six.", ferry="The ferry leaves at nine.", bees="Bees make honey.")
    (files / "empty.md").write_text("")
    async with syncing(tmp_path, models, temporal_address) as synced:
        made = await synced.add(files=sources_pb.FileSource(path=str(files)))
        assert not made.HasField("last_sync")
        first = await synced.sync()
        assert (first.state, counts(first)) == (
            sources_pb.SOURCE_SYNC_STATE_SUCCEEDED, {"listed": 4, "added": 3, "failed": 1},
        )  # fmt: skip
        assert first.error_reason == "document_empty"
        documents = await synced.documents()
        assert documents["tram.md"].source_id == "docs"
        write(files, tram="The tram leaves at seven.")
        (files / "bees.md").unlink()
        second = await synced.sync()
        assert counts(second) == {"listed": 3, "updated": 1, "unchanged": 1, "deleted": 1, "failed": 1}
        assert (second.number, second.percent, (await synced.get()).document_count) == (2, 100, 2)
        assert await synced.client.find("the tram leaves") == [
            "The tram leaves at seven.", "The ferry leaves at nine.",
        ]  # fmt: skip
        await record("sync_source", temporal_address, synced)


async def test_what_is_deleted_by_mistake_stays(tmp_path: Path, models: str, temporal_address: str) -> None:
    files = tmp_path / "files"
    write(files, tram="The tram leaves at six.", ferry="The ferry leaves at nine.", bees="Bees make honey.")
    async with syncing(tmp_path, models, temporal_address) as synced:
        await synced.add(files=sources_pb.FileSource(path=str(files)))
        await synced.sync()
        for name in ("tram", "ferry"):
            (files / f"{name}.md").unlink()
        held = await synced.sync()
        assert (counts(held), len(await synced.documents())) == ({"listed": 1, "unchanged": 1, "held_deletions": 2}, 3)
        accepted = await synced.sync(accept_deletions=True)
        assert (counts(accepted), len(await synced.documents())) == ({"listed": 1, "unchanged": 1, "deleted": 2}, 1)


async def test_a_source_that_cannot_be_read_says_why_and_deletes_nothing(
    tmp_path: Path, models: str, temporal_address: str
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE goods (id INTEGER, text TEXT)")
        connection.execute("INSERT INTO goods VALUES (1, 'Sencha is steamed.')")
    databases = {"shop": SecretStr(f"sqlite:///{tmp_path}/shop.db")}
    query = sources_pb.SqlSource(database="shop", query="SELECT * FROM goods", id_column="id", content_column="text")
    async with syncing(tmp_path, models, temporal_address, source_databases=databases) as synced:
        await synced.add("goods", sql=query)
        assert counts(await synced.sync("goods")) == {"listed": 1, "added": 1}
        with sqlite3.connect(tmp_path / "shop.db") as connection:
            connection.execute("DROP TABLE goods")
        failed = await synced.sync("goods")
        assert (failed.state, failed.error_reason) == (sources_pb.SOURCE_SYNC_STATE_FAILED, "source_malformed")
        assert "source.sql.query" in failed.error
        assert set(await synced.documents()) == {"shop/1"}
        await record("sync_source_failed", temporal_address, synced, "Failed")


async def test_messages_arrive_by_the_interval_and_a_source_goes_with_its_documents(
    tmp_path: Path, models: str, temporal_address: str, nats_url: str
) -> None:
    client = Nats()
    await client.connect(nats_url)
    stream = client.jetstream()
    await stream.add_stream(name="news", subjects=["news.*"])
    try:
        settings = {"source_subjects": "news.>", "nats": NatsSettings(url=nats_url)}
        async with syncing(tmp_path, models, temporal_address, **settings) as synced:
            await stream.publish("news.tram", b"The tram leaves at six.")
            await synced.add("news", nats=sources_pb.NatsSource(subject="news.*"), interval=Duration(seconds=10))
            await synced.until(lambda sync: sync.added == 1 and sync.state in ENDED, "news")
            await stream.publish("news.tram", b"")
            await stream.publish("news.ferry", b"The ferry leaves at nine.")
            assert counts(await synced.sync("news")) == {"listed": 2, "added": 1, "deleted": 1}
            request = sources_pb.DeleteSourceRequest(collection=synced.client.collection, source_id="news")
            await synced.client.ask("DeleteSource", request)
            while await synced.list():
                await asyncio.sleep(0.02)
            assert await synced.documents() == {}
            await record("sync_source_removed", temporal_address, synced)
    finally:
        await stream.delete_stream("news")
        await client.close()


async def test_the_command_line_through_the_gateway(
    tmp_path: Path, models: str, temporal_address: str, nats_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tmp_path / "files"
    write(files, tram="The tram leaves at six.", ferry="The ferry leaves at nine.")
    async with syncing(tmp_path, models, temporal_address) as synced:
        settings = GatewaySettings(
            port=0,
            http_port=free_port(),
            role="edge",
            grace_seconds=0,
            retrieval_target=synced.client.address,
            temporal=TemporalSettings(address=temporal_address),
            nats=NatsSettings(url=nats_url),
        )
        async with gateway(settings, Lifetime()) as address:
            where = ["--collection", synced.client.collection, "--target", address]
            words = ["sources", "add", "files", "docs", "--path", str(files), "--glob", "*.md", *where]
            assert await asyncio.to_thread(run, words) == 0
            assert await asyncio.to_thread(run, ["sources", "sync", "docs", *where]) == 0
            assert "sync 1 of docs succeeded: 2 added" in capsys.readouterr().out
            assert await asyncio.to_thread(run, ["sources", "show", "docs", "--json", *where]) == 0
            assert json.loads(capsys.readouterr().out)["document_count"] == "2"
            assert await asyncio.to_thread(run, ["sources", "remove", "docs", *where]) == 0
            assert (await synced.documents(), await synced.list()) == ({}, [])


async def test_bad_sources_are_refused_by_their_field(tmp_path: Path, models: str, temporal_address: str) -> None:
    refused = {
        "source.configuration": {},
        "source.source_id": {"source_id": "../x", "files": sources_pb.FileSource(path="/x")},
        "source.files.path": {"files": sources_pb.FileSource(path="/etc")},
        "source.interval": {"files": sources_pb.FileSource(path="/x"), "interval": Duration(seconds=1)},
        "source.web": {"web": sources_pb.WebSource(pages=["https://www.example.org/"])},
        "source.web.pages": {"web": sources_pb.WebSource()},
        "source.sql.database": {
            "sql": sources_pb.SqlSource(database="x", query="SELECT 1", id_column="a", content_column="b")
        },
        "source.sql.query": {"sql": sources_pb.SqlSource(database="x", id_column="a", content_column="b")},
        "source.git.repository": {"git": sources_pb.GitSource(repository="https://u:p@example.org/a.git")},
        "source.nats.subject": {"nats": sources_pb.NatsSource(subject="olo.>")},
    }
    async with syncing(tmp_path, models, temporal_address) as synced:
        for field, configuration in refused.items():
            with pytest.raises(OloError) as caught:
                await synced.add(**{"source_id": "docs", **configuration})
            assert (caught.value.field, caught.value.code) == (field, ErrorCode.INVALID_ARGUMENT)
        assert await synced.list() == []


@pytest.mark.timeout(180)
async def test_a_process_that_is_killed_in_mid_sync_loses_and_doubles_nothing(
    tmp_path: Path, temporal_address: str
) -> None:
    files, total = tmp_path / "files", 16
    write(files, **{f"line{number}": f"Tram {number} leaves at {number} past six." for number in range(total)})
    environment = {
        "OLO_RETRIEVAL_DATABASE_URL": f"sqlite:///{tmp_path}/retrieval.db",
        "OLO_RETRIEVAL_VECTOR_STORE": f"sqlite:{tmp_path}/vectors.db",
        "OLO_RETRIEVAL_SOURCE_ROOTS": str(files),
        "OLO_RETRIEVAL_SOURCE_CACHE": str(tmp_path / "cache"),
        "OLO_RETRIEVAL_UPKEEP_SECONDS": "0.5",
        "TEMPORAL_ADDRESS": temporal_address,
    }
    async with served_models(texts_before_wait=6) as served:
        environment["OLO_RETRIEVAL_ROUTER_TARGET"] = served.address
        async with process(tmp_path, environment) as (synced, killed):
            await synced.client.ask("CreateCollection", pb.CreateCollectionRequest(name=synced.client.collection))
            await synced.add(files=sources_pb.FileSource(path=str(files)))
            await synced.start()
            await synced.until(lambda sync: sync.added >= 3)
            killed()
        served.go_on.set()
        async with process(tmp_path, environment) as (synced, _):
            sync = await synced.until(lambda sync: sync.state in ENDED)
            assert (sync.number, counts(sync)) == (1, {"listed": total, "added": total})
            request = pb.GetCollectionRequest(name=synced.client.collection)
            collection = (await synced.client.ask("GetCollection", request)).collection
            assert (collection.document_count, collection.chunk_count) == (total, total)
            again = await synced.sync()
            assert counts(again) == {"listed": total, "unchanged": total}
            name = synced.client.collection
    async with document_store(environment["OLO_RETRIEVAL_DATABASE_URL"]) as database:
        uid = (await SqlCollections(database).get("default", name)).uid
    async with open_vectors(f"sqlite:{tmp_path}/vectors.db", None, IndexOptions()) as vectors:
        assert await vectors.count(EmbeddingModel("hashing", 64), Selection("default", uid)) == total
