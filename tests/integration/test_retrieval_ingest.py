"""Retrieval as a whole on a real Temporal server, with a router and an embedding worker of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from retrieval_files import pdf
from tests.integration.retrieval_models import served_models
from tests.integration.retrieval_parts import retrieval

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_retrieval.ingestion.indexing import Indexer
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration

OLD = "# Ferries\n\nThe ferry to Lindwall leaves at six in the morning."
NEW = "# Ferries\n\nThe ferry to Lindwall leaves at nine in the evening."
OTHER = "# Bees\n\nA hive of bees makes forty kilograms of honey in a good year."


@pytest.fixture
async def models() -> AsyncIterator[str]:
    async with served_models() as served:
        yield served.address


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
