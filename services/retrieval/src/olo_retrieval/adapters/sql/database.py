"""The connection to the document store, its migrations, and its errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from olo_common.errors import StartupError, Unavailable

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_MIGRATIONS = Path(__file__).with_name("migrations")
# Any number will do, as long as only our migrations take it.
_MIGRATION_LOCK = 7_231_054


class Database:
    """Transactions on the document store. Everything that the driver raises becomes `Unavailable`."""

    def __init__(self, url: URL) -> None:
        self.is_file = url.get_backend_name() == "sqlite"
        self._engine = create_async_engine(url, pool_pre_ping=not self.is_file)
        if self.is_file:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
        self._writing = self._engine.execution_options(olo_write=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with _wrapped(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed when the body ends well."""
        async with _wrapped(), self._writing.begin() as connection:
            yield connection

    async def migrate(self) -> None:
        """Brings the tables to the newest revision. Raises Unavailable."""
        async with self.write() as connection:
            if not self.is_file:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.run_sync(_upgrade)

    async def ping(self) -> None:
        """Raises Unavailable where the store does not answer."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes the connections."""
        await self._engine.dispose()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """The document store, closed afterwards. A file is made and migrated at once; a server may come later.

    Raises:
        StartupError: The URL is wrong, or the file cannot be written.
    """
    parsed = _parse(url)
    database = Database(parsed)
    try:
        if database.is_file:
            await _prepare_file(database, parsed)
        yield database
    finally:
        await database.close()


async def _prepare_file(database: Database, url: URL) -> None:
    path = Path(url.database or "")
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await database.migrate()
    except (OSError, Unavailable):
        raise StartupError(
            f"the document store {path} cannot be written; make its directory writable or set another "
            "OLO_RETRIEVAL_DATABASE_URL"
        ) from None


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError("OLO_RETRIEVAL_DATABASE_URL is not a database URL, such as sqlite:///data/file.db") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None or (driver.startswith("sqlite") and not parsed.database):
        raise StartupError("OLO_RETRIEVAL_DATABASE_URL must name an SQLite file or a Postgres database")
    return parsed.set(drivername=driver)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@asynccontextmanager
async def _wrapped() -> AsyncIterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable("the document store does not answer", retry_after=1.0) from error


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver must not begin transactions on its own: `_begin_sqlite` says when and how.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer may fail at once with "locked"; a writer that says so at first waits for its turn.
    writes = connection.get_execution_options().get("olo_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
