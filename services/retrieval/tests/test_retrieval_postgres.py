"""The document store on Postgres, where its server is installed: revisions, locks, and a migration beside ingests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text, update
from test_retrieval_portable import exported, filled, hits, points, rows, taken

from olo_common.sql import Database
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.tables import METADATA, REMOVALS
from olo_retrieval.errors import CollectionExists, ImportTruncated, IndexIncomplete, MigrationOpen
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.migrating.records import MigrationState
from olo_testing.postgres import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import House

S = MigrationState


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with document_store(postgres_url) as opened:
        async with opened.write() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
        yield opened


@pytest.fixture
async def house(database: Database, furnish: Callable[[Database], House]) -> House:
    await database.migrate()
    made = furnish(database)
    await made.curation.create_collection("default", "demo", "")
    await made.recovery.run()
    return made


def revised(revision: str) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "olo_retrieval:adapters/sql/migrations")
        config.attributes["connection"] = connection
        known = inspect(connection).has_table("alembic_version")
        now = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else ""
        (command.downgrade if (now or "") > revision else command.upgrade)(config, revision)

    return run


async def test_revisions_there_and_back(database: Database) -> None:
    async with database.write() as connection:
        await connection.run_sync(revised("0002"))
        row = "INSERT INTO collections (uid, tenant, name, embedding_model_id, dimension, created_ms) "
        await connection.execute(text(row + "VALUES ('u1', 'default', 'old', 'minilm', 384, 1)"))
    for revision in ("0004", "0002", "0001", "0004"):
        async with database.write() as connection:
            await connection.run_sync(revised(revision))
    async with database.read() as connection:
        uids = await connection.execute(text("SELECT uid, index_uid, retriever, revision FROM collections"))
        assert [tuple(row) for row in uids] == [("u1", "u1", "", 0)]
        columns = await connection.run_sync(
            lambda c: {table: {column["name"] for column in inspect(c).get_columns(table)} for table in METADATA.tables}
        )
    assert columns == {name: set(table.c.keys()) for name, table in METADATA.tables.items()}


async def test_a_migration_beside_ingests(house: House) -> None:
    for number in range(8):
        await house.ingest(f"Document {number} is old.", f"d{number}")
    migration = await house.control.start("default", "demo", model_id="finer", chunking=None, min_overlap=0.0)
    with pytest.raises(MigrationOpen):
        await house.control.start("default", "demo", model_id="finer", chunking=None, min_overlap=0.0)

    async def changed(number: int) -> None:
        ref = await house.stage(f"Document {number} is new.", f"d{number}")
        while True:
            await house.indexer.index(ref, lambda _: None)
            try:
                await house.indexer.swap(ref)
            except IndexIncomplete:
                continue
            break
        await house.indexer.remove_stale(ref)

    async def searched() -> None:
        for _ in range(10):
            assert len(await house.find("document", top_k=8)) == 8

    moving = house.migrator.move(migration.ref, lambda: None)
    state, *_ = await asyncio.gather(moving, searched(), *map(changed, range(0, 8, 2)))
    assert state is S.SERVING
    texts = {f"Document {number} is {'old' if number % 2 else 'new'}." for number in range(8)}
    assert set(await house.find("document", top_k=8)) == texts
    assert (await house.control.roll_back("default", "demo", "")).state is S.ROLLING_BACK
    rolling = house.migrator.move(migration.ref, lambda: None)
    state, *_ = await asyncio.gather(rolling, *map(changed, range(1, 8, 2)))
    assert state is S.ROLLED_BACK
    assert set(await house.find("document", top_k=8)) == {f"Document {number} is new." for number in range(8)}
    # What an ingest still wrote into the index that was given up goes with the second removal, an hour later.
    async with house.database.write() as connection:
        await connection.execute(update(REMOVALS).values(due_ms=0))
    await remove_points(house.versions, house.vectors)
    assert sum(len(space) for space in house.vectors._spaces.values()) == 8
    await house.curation.delete_collection("default", "demo")
    assert not any(house.vectors._spaces.values())


async def test_a_collection_goes_out_and_in(house: House) -> None:
    await filled(house, 3)
    data = await exported(house)
    before = (await rows(house), points(house))
    for broken in (data[:-1024], data[:3000]):
        with pytest.raises(ImportTruncated):
            await taken(house, broken)
    with pytest.raises(CollectionExists):
        await taken(house, data, "demo")
    assert (await rows(house), points(house)) == before
    assert (await taken(house, data)).to_index == 0
    assert await hits(house, "copy") == await hits(house, "demo") != []
