"""A SQL database by its URL, SQLite in a file or Postgres: tuned, migrated, its errors turned into ours.

Needs the extra `sql` of this distribution.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.util.concurrency import in_greenlet

from olo_common import sql_revisions
from olo_common.errors import StartupError, Unavailable
from olo_common.logs import logger
from olo_common.sql_tls import without_tls_parameters

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
# Any number will do, as long as only our migrations take it: replicas of a rolling update must not migrate at once.
_MIGRATION_LOCK = 7_231_054
_CONNECT_SECONDS = 5


class Database:
    """Transactions. What the driver raises becomes `Unavailable`, but for a violated constraint (`IntegrityError`).

    Args:
        url: With an asynchronous driver.
        name: What callers are told is away: `the document store`.
        migrations: Alembic's script location, a package and a folder: `olo_registry:migrations`.
        table: One that the first revision has made: a database of an unknown revision is ours if it has this one.
    """

    def __init__(self, url: URL, name: str, migrations: str, table: str) -> None:
        self.is_file = url.get_backend_name() == "sqlite"
        self._name = name
        self._migrations = migrations
        self._table = table
        if not self.is_file:
            self._blocking: Engine | None = None
            plain, tls = without_tls_parameters(url)
            arguments = {"timeout": _CONNECT_SECONDS, **tls}
            self._engine = create_async_engine(plain, pool_pre_ping=True, connect_args=arguments)
        else:
            self._engine = create_async_engine(url)
            self._engine.dialect.do_terminate = _close_once  # type: ignore[assignment]
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
            self._blocking = create_engine(url.set(drivername="sqlite"))
            event.listen(self._blocking, "connect", _prepare_sqlite)
        self._observing: sqlite3.Connection | None = None
        self._writing = self._engine.execution_options(olo_write=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._wrapped(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed when the body ends well."""
        async with self._wrapped(), self._writing.begin() as connection:
            yield connection

    async def rows(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """The rows of one statement that only reads.

        For what is read all the time: in a file it takes one turn of a thread, where a transaction takes a dozen.
        """
        if self._blocking is None:
            async with self.read() as connection:
                return (await connection.execute(statement, parameters)).all()
        async with self._wrapped():
            return await asyncio.to_thread(_rows, self._blocking, statement, parameters)

    def state(self) -> int | None:
        """A number that is another one after every commit to the file, whoever has made it. Must be called on the loop.

        It costs a few microseconds, so that what was read before can be kept as long as the number stays. None where it
        is not known: a server has none, and a file may be busy.
        """
        if self._blocking is None:
            return None
        try:
            if self._observing is None:
                # It never writes: of one's own commits SQLite says nothing. It never waits either.
                self._observing = sqlite3.connect(str(self._blocking.url.database), timeout=0, isolation_level=None)
            found: tuple[int] = self._observing.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return found[0]

    async def migrate(self) -> str:
        """Brings the tables to the newest revision this release knows, one process at a time; gives their revision.

        Tables of a newer release are left as they are: they serve the release before it too.

        Raises:
            Unavailable: The store does not answer.
            StartupError: The database is that of another service.
        """
        async with self.write() as connection:
            if not self.is_file:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            return await connection.run_sync(self._upgrade)

    async def ping(self) -> None:
        """Raises Unavailable where the store does not answer."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes the connections."""
        if self._observing is not None:
            self._observing.close()
        if self._blocking is not None:
            self._blocking.dispose()
        await self._engine.dispose()

    def _upgrade(self, connection: Connection) -> str:
        known, found = sql_revisions.known(self._migrations), sql_revisions.current(connection)
        if found is not None and found not in known:
            if not inspect(connection).has_table(self._table):
                raise StartupError(f"the database of {self._name} is that of another service; each needs its own")
            logger(__name__).warning("database_is_of_a_newer_release", name=self._name, version=found)
            return found
        if found != known[-1]:
            sql_revisions.upgrade(connection, self._migrations)
        return known[-1]

    @asynccontextmanager
    async def _wrapped(self) -> AsyncIterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unavailable(f"{self._name} does not answer", retry_after=1.0) from error


@asynccontextmanager
async def open_database(
    url: str, *, name: str, variable: str, migrations: str, table: str, must_answer: bool = False
) -> AsyncIterator[Database]:
    """A database, closed afterwards. A file is made with its directory, and migrated, at once.

    Args:
        url: `sqlite:///data/file.db` or `postgresql://user@host/database`.
        name: As of `Database`.
        variable: The environment variable that holds the URL, for messages.
        migrations: As of `Database`.
        table: As of `Database`.
        must_answer: Whether a server has to be there now, too, and is migrated; else the owner calls `migrate` later.

    Raises:
        StartupError: The URL is wrong, the file cannot be written, or the server does not answer.
    """
    parsed = _parse(url, variable)
    database = Database(parsed, name, migrations, table)
    try:
        if database.is_file:
            await _prepare_file(database, parsed, variable)
        elif must_answer:
            await _prepare_server(database, parsed, variable)
        yield database
    finally:
        await database.close()


async def _prepare_file(database: Database, url: URL, variable: str) -> None:
    path = Path(url.database or "")
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await database.migrate()
    except (OSError, Unavailable):
        raise StartupError(
            f"{path} is no database that can be written; make its directory writable or set another {variable}"
        ) from None


async def _prepare_server(database: Database, url: URL, variable: str) -> None:
    try:
        await database.migrate()
    except Unavailable:
        shown = url.render_as_string(hide_password=True)
        raise StartupError(f"the database {shown} does not answer; start it or set another {variable}") from None


def _parse(url: str, variable: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError(f"{variable} is not a database URL, such as sqlite:///data/file.db") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None or (driver.startswith("sqlite") and not parsed.database):
        raise StartupError(f"{variable} must name an SQLite file or a Postgres database")
    if not driver.startswith("sqlite"):
        try:
            without_tls_parameters(parsed)
        except ValueError as error:
            raise StartupError(f"{variable}: {error}") from None
    return parsed.set(drivername=driver)


def _rows(engine: Engine, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(statement, parameters).all()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver must not begin transactions on its own: `_begin_sqlite` says when and how.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _close_once(connection: Any) -> None:
    """Closes a connection whose call was cancelled.

    Of itself SQLAlchemy would, if the task is cancelled once more meanwhile, stop the thread of the connection beside
    that. The close then waits for an answer of a thread that is gone, and a process that ends waits for the close.
    """
    if in_greenlet():
        connection.close()
    else:
        connection.terminate()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer may fail at once with "locked"; a writer that says so at first waits for its turn.
    writes = connection.get_execution_options().get("olo_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
