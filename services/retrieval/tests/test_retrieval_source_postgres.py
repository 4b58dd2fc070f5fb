"""Rows of a real Postgres as documents, where its server is installed."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from olo_common.errors import OloError
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sources.opening import AllowedConnectors
from olo_retrieval.sources.model import Config, Content, Item, Source, SqlConfig
from olo_retrieval.sources.ports import Connector
from olo_testing.ports import free_port
from olo_testing.postgres import postgres_server

SHOP = SqlConfig("shop", "SELECT * FROM goods WHERE kind = 'tea: green'::text", "id", "description", "name", "changed")
GREEN = uuid.UUID(int=7)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


class Shop:
    """A database with goods, and the service's view of it."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url.replace("postgresql://", "postgresql+asyncpg://")
        self.allowed = Allowed(
            roots=[],
            git_hosts=[],
            databases={"shop": SecretStr(url)},
            subjects=[],
            cache=directory,
            max_documents=10,
            max_file_bytes=1000,
            max_text_bytes=1000,
        )

    async def run(self, *statements: str) -> None:
        engine = create_async_engine(self.url)
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement.replace(":", "\\:")))
        await engine.dispose()

    async def count(self) -> int:
        engine = create_async_engine(self.url)
        async with engine.begin() as connection:
            found = (await connection.execute(text("SELECT count(*) FROM goods"))).scalar_one()
        await engine.dispose()
        return int(found)

    @asynccontextmanager
    async def open(self, config: Config) -> AsyncIterator[Connector]:
        source = Source("0" * 32, "default", "demo", "1" * 32, "docs", config, None, 0)
        async with AllowedConnectors(self.allowed, None).open(source) as connector:
            yield connector

    async def listed(self, config: Config) -> dict[str, str]:
        async with self.open(config) as connector:
            return {item.key: item.fingerprint for item in (await connector.listing("")).items}

    async def load(self, config: Config, key: str) -> Content:
        async with self.open(config) as connector:
            [found] = [item for item in (await connector.listing("")).items if item.key == key]
            return await connector.load(Item("docs.x", found.key, found.fingerprint, 0, found.deleted))

    async def failed(self, config: Config) -> tuple[str, str | None]:
        """Reason and field with which a listing fails."""
        with pytest.raises(OloError) as caught:
            await self.listed(config)
        return caught.value.reason, caught.value.field


@pytest.fixture
async def shop(postgres_url: str, tmp_path: Path) -> Shop:
    made = Shop(postgres_url, tmp_path)
    columns = "id INTEGER, code UUID, name TEXT, description TEXT, changed TIMESTAMPTZ, kind TEXT"
    await made.run(
        "DROP TABLE IF EXISTS goods",
        f"CREATE TABLE goods ({columns})",
        f"INSERT INTO goods VALUES (1, '{GREEN}', 'Sencha', 'Steamed.', '2026-01-01 10:00:00+00', 'tea: green')",
        f"INSERT INTO goods VALUES (2, '{uuid.UUID(int=8)}', NULL, 'Shaded.', '2026-01-02 10:00:00+00', 'tea: green')",
        f"INSERT INTO goods VALUES (3, '{uuid.UUID(int=9)}', 'Mug', 'Blue.', '2026-01-01 10:00:00+00', 'mugs')",
    )
    return made


async def test_rows_by_number_and_what_has_changed(shop: Shop) -> None:
    before = await shop.listed(SHOP)
    assert before == {"1": "2026-01-01 10:00:00+00:00", "2": "2026-01-02 10:00:00+00:00"}
    first, second = [await shop.load(SHOP, key) for key in before]
    assert (first.body, first.title, first.source) == ("Steamed.", "Sencha", "shop/1")
    assert (second.body, second.title) == ("Shaded.", "")
    await shop.run(
        "UPDATE goods SET description = 'Deeply steamed.', changed = changed + interval '1 day' WHERE id = 1"
    )
    after = await shop.listed(SHOP)
    assert [key for key in before if before[key] != after[key]] == ["1"]
    assert (await shop.load(SHOP, "1")).body == "Deeply steamed."


async def test_rows_by_what_is_no_number(shop: Shop) -> None:
    by_code = replace(SHOP, id_column="code", watermark_column="")
    assert set(await shop.listed(by_code)) == {f'"{GREEN}"', f'"{uuid.UUID(int=8)}"'}
    assert (await shop.load(by_code, f'"{GREEN}"')).body == "Steamed."
    by_name = replace(SHOP, id_column="name", query="SELECT * FROM goods WHERE name IS NOT NULL")
    assert (await shop.load(by_name, '"Mug"')).source == "shop/Mug"


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM goods RETURNING *) SELECT * FROM gone",
        "SELECT nextval('numbers') AS id, '' AS name, '' AS description, 1 AS changed",
        "SELECT * FROM nowhere",
        "SELECT id FROM goods",
    ],
)
async def test_nothing_is_written_whatever_the_query(shop: Shop, query: str) -> None:
    await shop.run("CREATE SEQUENCE IF NOT EXISTS numbers")
    assert await shop.failed(replace(SHOP, query=query)) == ("source_malformed", "source.sql.query")
    assert await shop.count() == 3


async def test_ids_that_are_null_or_twice_and_too_many_rows(shop: Shop) -> None:
    everything = replace(SHOP, query="SELECT * FROM goods")
    for column in ("name", "changed"):
        assert (await shop.failed(replace(everything, id_column=column)))[1] == "source.sql.id_column"
    await shop.run("INSERT INTO goods SELECT n, NULL, '', '', now(), '' FROM generate_series(10, 20) AS n")
    assert (await shop.failed(everything))[0] == "source_too_large"


async def test_a_server_that_is_away(shop: Shop) -> None:
    away = SecretStr(f"postgresql://olo@127.0.0.1:{free_port()}/postgres")
    shop.allowed = replace(shop.allowed, databases={"shop": away})
    assert (await shop.failed(SHOP))[0] == "source_away"
