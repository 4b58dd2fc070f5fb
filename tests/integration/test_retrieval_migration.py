"""A migration on a real Temporal server, searched and written to meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client as TemporalClient
from tests.integration.retrieval_models import served_models
from tests.integration.retrieval_parts import Client, retrieval

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo.retrieval.v1 import retrieval_service_pb2 as documents_pb
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_retrieval.migrating.copying import Copier
from olo_retrieval.workflows import migrate
from olo_testing.histories import recorded

pytestmark = pytest.mark.integration

HISTORIES = Path(__file__).parents[2] / "services/retrieval/tests/histories"
RECORD = os.environ.get("OLO_RECORD_HISTORIES") == "1"
"""Set it to record the kinds of histories that `test_retrieval_replay.py` does not have yet."""


@pytest.fixture
async def models() -> AsyncIterator[str]:
    async with served_models() as served:
        yield served.address


async def record(name: str, temporal: str, workflow_id: str) -> None:
    path = HISTORIES / f"{name}.json"
    if RECORD and not path.exists():
        client = await TemporalClient.connect(temporal)
        handle = client.get_workflow_handle(workflow_id)
        while (await handle.describe()).close_time is None:
            await asyncio.sleep(0.02)
        path.write_text(recorded(await handle.fetch_history()))


async def filled(client: Client) -> None:
    await client.ask("CreateCollection", documents_pb.CreateCollectionRequest(name=client.collection))
    for number in range(6):
        await client.stage(f"Ferry number{number} leaves.", f"d{number}")
    for number in range(6):
        await client.settled(f"d{number}")


async def test_there_and_back_and_there_again(tmp_path: Path, models: str, temporal_address: str) -> None:
    async with retrieval(tmp_path, models, temporal_address, f"edge:{tmp_path}/vectors") as client:
        await filled(client)
        stop = asyncio.Event()

        async def searched() -> set[str]:
            """Each search finds what is there, and says by which model."""
            seen = set()
            while not stop.is_set():
                query = documents_pb.SearchRequest(collection=client.collection, query="ferry number3 leaves", top_k=6)
                found = await client.ask("Search", query)
                assert found.passages[0].document_id == "d3"
                assert len(found.passages) == 6
                seen.add(found.embedding_model_id)
            return seen

        searching = asyncio.create_task(searched())
        chunking = documents_pb.Chunking(strategy=documents_pb.CHUNK_STRATEGY_FIXED, max_tokens=64)
        start = pb.StartMigrationRequest(
            collection=client.collection, embedding_model_id="finer", chunking=chunking, min_overlap=0.9
        )
        started = (await client.ask("StartMigration", start)).migration
        with pytest.raises(OloError) as caught:
            await client.ask("StartMigration", start)
        assert (caught.value.code, caught.value.reason) == (ErrorCode.ALREADY_EXISTS, "migration_open")
        served = await client.migrated(pb.MIGRATION_STATE_SERVING)
        assert (served.overlap, served.percent, served.target.dimension) == (1.0, 100.0, 128)
        await client.stage("Ferry number3 leaves soon.", "d3")
        await client.settled("d3")
        back = pb.RollBackMigrationRequest(collection=client.collection)
        await client.ask("RollBackMigration", back)
        await client.migrated(pb.MIGRATION_STATE_ROLLED_BACK)
        get = documents_pb.GetCollectionRequest(name=client.collection)
        assert (await client.ask("GetCollection", get)).collection.embedding_model_id == "hashing"
        await client.ask("StartMigration", start)
        await client.migrated(pb.MIGRATION_STATE_SERVING)
        await client.ask("FinishMigration", pb.FinishMigrationRequest(collection=client.collection))
        collection = (await client.ask("GetCollection", get)).collection
        assert (collection.embedding_model_id, collection.chunking, collection.chunk_count) == ("finer", chunking, 6)
        stop.set()
        assert await searching == {"hashing", "finer"}
        with pytest.raises(OloError) as caught:
            await client.ask("RollBackMigration", back)
        assert (caught.value.code, caught.value.reason) == (ErrorCode.FAILED_PRECONDITION, "migration_state")
        listed = await client.ask("ListMigrations", pb.ListMigrationsRequest(collection=client.collection, page_size=1))
        assert [m.state for m in listed.migrations] == [pb.MIGRATION_STATE_FINISHED]
        more = pb.ListMigrationsRequest(collection=client.collection, page_token=listed.next_page_token)
        assert [m.migration_id for m in (await client.ask("ListMigrations", more)).migrations] == [started.migration_id]
        await record("migrate", temporal_address, started.workflow_id)


async def test_one_that_takes_too_long_leaves_the_old_index(
    tmp_path: Path, models: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise Unavailable("the embedding model is not available")

    async with retrieval(tmp_path, models, temporal_address) as client:
        await filled(client)
        monkeypatch.setattr(Copier, "copy", broken)
        monkeypatch.setattr(migrate, "MOVE_DEADLINE", timedelta(seconds=1))
        start = pb.StartMigrationRequest(collection=client.collection, embedding_model_id="finer")
        await client.ask("StartMigration", start)
        failed = await client.migrated(pb.MIGRATION_STATE_FAILED)
        assert failed.error_reason == "migration_too_slow"
        assert len(await client.find("ferry")) == 3
        await record("migrate_too_slow", temporal_address, failed.workflow_id)


BAD_REQUESTS: tuple[tuple[str, Any, str, str], ...] = (
    ("StartMigration", pb.StartMigrationRequest(collection="De mo"), "field_invalid", "collection"),
    ("StartMigration", pb.StartMigrationRequest(collection="none"), "collection_not_found", "collection"),
    ("StartMigration", pb.StartMigrationRequest(collection="x", min_overlap=1.5), "field_invalid", "min_overlap"),
    (
        "StartMigration",
        pb.StartMigrationRequest(collection="x", min_overlap=float("nan")),
        "field_invalid",
        "min_overlap",
    ),
    ("StartMigration", pb.StartMigrationRequest(collection="x", tenant="../y"), "field_invalid", "tenant"),
    ("GetMigration", pb.GetMigrationRequest(collection="x", migration_id="no"), "field_invalid", "migration_id"),
    ("GetMigration", pb.GetMigrationRequest(collection="none"), "collection_not_found", "collection"),
    ("ListMigrations", pb.ListMigrationsRequest(collection="x", page_token="?"), "field_invalid", "page_token"),
    ("RollBackMigration", pb.RollBackMigrationRequest(collection="none"), "collection_not_found", "collection"),
    ("FinishMigration", pb.FinishMigrationRequest(collection="none"), "collection_not_found", "collection"),
)


async def test_bad_requests(tmp_path: Path, models: str, temporal_address: str) -> None:
    async with retrieval(tmp_path, models, temporal_address) as client:
        for method, request_message, reason, field in BAD_REQUESTS:
            with pytest.raises(OloError) as caught:
                await client.ask(method, request_message)
            assert (caught.value.reason, caught.value.field) == (reason, field), request_message
