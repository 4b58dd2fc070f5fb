"""Sources as a whole on a real Temporal server: folders, repositories, databases and streams, kept in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from retrieval_service import Client, retrieval, serving_models

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1 import source_service_pb2 as sources_pb

pytestmark = pytest.mark.integration

ENDED = (sources_pb.SOURCE_SYNC_STATE_SUCCEEDED, sources_pb.SOURCE_SYNC_STATE_FAILED)


@pytest.fixture
async def models() -> AsyncIterator[str]:
    async with serving_models() as address:
        yield address


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


@asynccontextmanager
async def syncing(directory: Path, models: str, temporal: str, **settings: Any) -> AsyncIterator[Synced]:
    more = {"source_cache": directory / "cache", "source_roots": str(directory / "files"), **settings}
    async with retrieval(directory, models, temporal, **more) as client:
        existing = await client.ask("ListCollections", pb.ListCollectionsRequest())
        if client.collection not in {collection.name for collection in existing.collections}:
            await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
        yield Synced(client)


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
    (files / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    async with syncing(tmp_path, models, temporal_address) as synced:
        made = await synced.add(files=sources_pb.FileSource(path=str(files)))
        assert not made.HasField("last_sync")
        first = await synced.sync()
        assert (first.state, counts(first)) == (
            sources_pb.SOURCE_SYNC_STATE_SUCCEEDED, {"listed": 4, "added": 3, "failed": 1},
        )  # fmt: skip
        assert first.error_reason == "document_malformed"
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
