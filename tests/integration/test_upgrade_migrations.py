"""What an upgrade asks of the tables: each revision leaves them usable by the release before it.

While the processes of a service are replaced, and after going back, code of the release before works on tables of this
one. So nothing that it reads or writes may go or change, and what is new has a default.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, select, text, types
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from olo_common.errors import StartupError
from olo_common.sql_revisions import known
from olo_registry.adapters.database import registry_database
from olo_registry.adapters.sql_store import SqlCatalogueStore
from olo_retrieval.adapters.sql.store import document_store
from olo_testing.ports import free_port
from olo_testing.postgres import postgres_server

pytestmark = pytest.mark.integration

SCRIPTS = {"registry": "olo_registry:migrations", "retrieval": "olo_retrieval:adapters/sql/migrations"}
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def config_of(script: str, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", script)
    config.attributes["connection"] = connection
    return config


def steps(script: str) -> list[tuple[str, str]]:
    """Each revision with the one before it, the oldest first."""
    revisions = [found.revision for found in ScriptDirectory.from_config(config_of(script)).walk_revisions()]
    return list(pairwise(reversed(revisions)))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_the_names_of_the_scripts_tell_their_revisions(script: str) -> None:
    walked = [found.revision for found in ScriptDirectory.from_config(config_of(script)).walk_revisions()]

    assert known(script) == walked[::-1]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/olo.db"
    server: str = request.getfixturevalue("postgres_url")
    async with connected(server) as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    return server


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction, on tables that nobody has migrated."""
    driver = url.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(driver)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


def value_for(column: Column[Any], row: int) -> Any:
    match column.type:
        case types.Boolean():
            return False
        case types.Integer():
            return row
        case types.Float() | types.Numeric():
            return float(row)
        case types.DateTime():
            return NOW
        case types.JSON():
            return {}
        case types.LargeBinary():
            return b"x"
        case types.String():
            return f"x{row}"
    raise NotImplementedError(f"{column}: {column.type}")


def used_by_the_old_release(connection: Connection, old: MetaData, row: int) -> None:
    """Writes and reads what the release of these tables writes and reads."""
    for table in old.sorted_tables:
        if table.name == "alembic_version":
            continue
        values = {column.name: value_for(column, row) for column in table.columns}
        connection.execute(table.insert().values(values))
        keys = [column == values[column.name] for column in table.primary_key.columns]
        read = connection.execute(select(table).where(*keys)).one()._mapping
        assert {name: _plain(found) for name, found in read.items()} == {
            name: _plain(written) for name, written in values.items()
        }
        connection.execute(table.update().where(*keys).values(values))


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


@pytest.mark.parametrize("service", SCRIPTS)
async def test_each_release_works_on_the_tables_of_the_next_one(service: str, url: str) -> None:
    def stepwise(connection: Connection) -> int:
        config = config_of(SCRIPTS[service], connection)
        taken = steps(SCRIPTS[service])
        for number, (before, after) in enumerate(taken):
            command.upgrade(config, before)
            old = reflected(connection)
            used_by_the_old_release(connection, old, row=2 * number)
            command.upgrade(config, after)
            used_by_the_old_release(connection, old, row=2 * number + 1)
        return len(taken)

    async with connected(url) as connection:
        assert await connection.run_sync(stepwise) > 0


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE models RENAME COLUMN priority TO weight",
        "ALTER TABLE models ADD COLUMN tier VARCHAR(8) CHECK (tier IS NOT NULL)",
        "DROP TABLE alias_targets",
    ],
)
async def test_a_change_that_the_release_before_cannot_work_with_is_found(change: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/olo.db"
    async with registry_database(url):
        pass
    async with connected(url) as connection:
        old = await connection.run_sync(reflected)
        await connection.execute(text(change))
    with pytest.raises(DBAPIError):
        async with connected(url) as connection:
            await connection.run_sync(lambda each: used_by_the_old_release(each, old, row=1))


@pytest.mark.parametrize(("url", "service"), [("sqlite", "registry"), ("postgres", "retrieval")], indirect=["url"])
async def test_the_command_migrates_once_however_many_run_at_once(service: str, url: str) -> None:
    newest = ScriptDirectory.from_config(config_of(SCRIPTS[service])).get_current_head()
    told = await asyncio.gather(*(run_command(service, url) for _ in range(2)))
    assert told == [(0, f"olo-{service}: the tables are at revision {newest}\n", "")] * 2
    async with connected(url) as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == [newest]


async def test_the_command_says_what_is_wrong() -> None:
    away = f"postgresql://olo:secret@127.0.0.1:{free_port()}/olo"
    code, said, error = await run_command("retrieval", away)
    assert (code, said) == (1, "")
    assert "does not answer" in error
    assert "secret" not in error


async def run_command(service: str, url: str) -> tuple[int, str, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"olo_{service}.migrate",
        env={**os.environ, f"OLO_{service.upper()}_DATABASE_URL": url, "OLO_LOG_LEVEL": "error"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, error = await child.communicate()
    assert child.returncode is not None
    return child.returncode, said.decode(), error.decode()


@pytest.mark.parametrize(("first", "second"), [("registry", "retrieval"), ("retrieval", "registry")])
async def test_the_database_of_another_service_is_refused(first: str, second: str, tmp_path: Path) -> None:
    opened = {
        "registry": registry_database,
        "retrieval": lambda url: document_store(url, must_answer=True),
    }
    url = f"sqlite:///{tmp_path}/shared.db"
    async with opened[first](url):
        pass
    with pytest.raises(StartupError, match="each needs its own"):
        async with opened[second](url):
            pass


async def test_a_database_of_a_newer_release_is_used_as_it_is(url: str) -> None:
    async with registry_database(url) as database:
        assert await SqlCatalogueStore(database).load() == []
    async with connected(url) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with registry_database(url) as database:
        assert await database.migrate() == "9999"
        assert await SqlCatalogueStore(database).load() == []
