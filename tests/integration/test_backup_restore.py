"""What the guide on backups says, done: databases that are in use are copied, lost, and put back."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select
from tests.integration.retrieval_models import served_models
from tests.integration.retrieval_parts import retrieval

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import StartupError
from olo_common.sql import Database
from olo_common.sqlite_backup import back_up
from olo_registry.adapters.database import registry_database
from olo_registry.adapters.sql_store import SqlCatalogueStore
from olo_registry.catalogue.alias import Alias, Target
from olo_registry.catalogue.entry import Entry
from olo_registry.types import HardwareType, ModelType
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.types import EmbeddingModel
from olo_testing.postgres import postgres_server

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ENTRY = Entry("m", "M", ModelType.LLM, 7, True, False, 2048, HardwareType.CPU, 0, NOW, NOW)
PARTS = {
    "registry": registry_database,
    "retrieval": lambda url: document_store(url, must_answer=True),
}


async def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    async with database.read() as connection:
        found = MetaData()
        await connection.run_sync(found.reflect)
        return {
            table.name: sorted(tuple(map(str, row)) for row in (await connection.execute(select(table))).all())
            for table in found.sorted_tables
        }


def test_a_copy_made_while_others_write_is_of_one_moment(tmp_path: Path) -> None:
    source, stop, begun = tmp_path / "live.db", threading.Event(), threading.Event()

    def write() -> None:
        with sqlite3.connect(source, isolation_level=None) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE numbers (first INTEGER, second INTEGER, padding TEXT)")
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO numbers VALUES (?, 0, ?)", (number, "x" * 2000))
                connection.execute("INSERT INTO numbers VALUES (0, ?, '')", (number,))
                connection.execute("COMMIT")
                if number == 200:
                    begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        size = back_up(source, tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()
    assert size == (tmp_path / "copy.db").stat().st_size > 400_000
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        [(first, second, rows)] = copy.execute("SELECT max(first), max(second), count(*) FROM numbers")
    assert first == second == rows / 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_is_never_written_over_and_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to look like a page of one" * 50)
    (tmp_path / "kept.db").write_text("kept")
    for source, target in (("text.db", "new.db"), ("none.db", "new.db"), ("text.db", "kept.db")):
        with pytest.raises(StartupError):
            back_up(tmp_path / source, tmp_path / target)
    assert (tmp_path / "kept.db").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.db", "text.db"]


async def test_the_catalogue_is_restored_from_a_copy_of_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    async with registry_database(url) as database:
        await furnish_registry(database)
        before = await contents(database)
        # By the command, while the registry has the file open.
        command = [sys.executable, "-m", "olo_common.sqlite_backup", tmp_path / "registry.db", tmp_path / "saved.db"]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
        await SqlCatalogueStore(database).delete_alias("fast")
    for lost in tmp_path.glob("registry.db*"):
        lost.unlink()
    (tmp_path / "saved.db").rename(tmp_path / "registry.db")
    async with registry_database(url) as database:
        assert await contents(database) == before
        assert await SqlCatalogueStore(database).load() == [ENTRY]


async def test_documents_are_restored_and_their_vectors_made_again(tmp_path: Path, temporal_address: str) -> None:
    text = "The ferry to Lindwall leaves at six in the morning."
    async with served_models() as models:
        async with retrieval(tmp_path, models.address, temporal_address) as client:
            await client.ask("CreateCollection", pb.CreateCollectionRequest(name=client.collection))
            await client.stage(f"# Ferries\n\n{text}")
            assert (await client.settled()).state == pb.DOCUMENT_STATE_READY
            back_up(tmp_path / "retrieval.db", tmp_path / "saved.db")
            await client.ask("DeleteCollection", pb.DeleteCollectionRequest(name=client.collection))
        for lost in tmp_path.glob("retrieval.db*"):
            lost.unlink()
        (tmp_path / "saved.db").rename(tmp_path / "retrieval.db")
        async with retrieval(tmp_path, models.address, temporal_address) as client:
            assert await client.find("when does the ferry leave") == [text]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.mark.parametrize("service", PARTS)
async def test_a_dump_of_postgres_is_restored_into_an_empty_database(
    service: str, postgres_url: str, tmp_path: Path
) -> None:
    server = postgres_url.rsplit("/", 1)[0]
    run("psql", postgres_url, "--command", f"CREATE DATABASE {service}")
    async with PARTS[service](f"{server}/{service}") as database:
        await (furnish_registry if service == "registry" else furnish_retrieval)(database)
        before = await contents(database)
        dump = tmp_path / f"{service}.dump"
        await asyncio.to_thread(run, "pg_dump", "--format=custom", f"--file={dump}", f"{server}/{service}")
    run("psql", postgres_url, "--command", f"DROP DATABASE {service}", "--command", f"CREATE DATABASE {service}")
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={server}/{service}", str(dump))
    async with PARTS[service](f"{server}/{service}") as database:
        assert await contents(database) == before
        assert sum(map(len, before.values())) > 1


def run(program: str, *arguments: str) -> None:
    [*_, newest] = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    subprocess.run([newest, *arguments], check=True, capture_output=True, timeout=60)


async def furnish_registry(database: Database) -> None:
    store = SqlCatalogueStore(database)
    await store.save([ENTRY])
    await store.save_alias(Alias("fast", (Target("m", 1),)))


async def furnish_retrieval(database: Database) -> None:
    await SqlCollections(database).create("default", "demo", EmbeddingModel("hashing", 64))
