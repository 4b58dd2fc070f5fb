"""Postgres with TLS, by the parameters that every Postgres tool knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from olo_common.errors import StartupError, Unavailable
from olo_common.sql import Database, open_database
from olo_testing.certificates import Authority
from olo_testing.postgres import postgres_server

_QUERY = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


async def encrypted(url: str) -> bool:
    """Whether the connection is one of TLS."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    database = Database(parsed, "the test store", "no:migrations", "no_table")
    try:
        async with database.read() as connection:
            return bool((await connection.execute(_QUERY)).scalar_one())
    finally:
        await database.close()


async def test_the_mode_and_the_authority_count(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    with postgres_server(authority.issue()) as url:
        assert await encrypted(f"{url}?sslmode=verify-full&sslrootcert={authority.file}")
        assert await encrypted(f"{url}?sslmode=require")
        assert not await encrypted(f"{url}?sslmode=disable")
        with pytest.raises(Unavailable, match="the test store does not answer"):
            await encrypted(f"{url}?sslmode=verify-full&sslrootcert={stranger.file}")


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("sslmode=perhaps", "OLO_X_DATABASE_URL: sslmode must be one of disable, "),
        ("sslmode=verify-ca&sslrootcert=/no/such.pem", "OLO_X_DATABASE_URL: sslrootcert: /no/such.pem is no file"),
    ],
)
async def test_what_makes_no_sense_is_named(parameters: str, told: str) -> None:
    with pytest.raises(StartupError, match=told):
        async with open_database(
            f"postgresql://olo@127.0.0.1:1/x?{parameters}",
            name="x",
            variable="OLO_X_DATABASE_URL",
            migrations="x:y",
            table="x",
        ):
            pass
