"""The catalogue in a SQL database: SQLite or Postgres, by its URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, RowMapping, event, insert, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from olo_common.errors import StartupError
from olo_registry.adapters.schema import MODELS
from olo_registry.catalogue.entry import Entry
from olo_registry.errors import CatalogueUnavailable
from olo_registry.types import HardwareType, ModelType

_CONNECT_SECONDS = 5
_MIGRATION_LOCK = 0x6F6C6F72
_FAILURES = (SQLAlchemyError, OSError, asyncio.TimeoutError)


class SqlCatalogueStore:
    """Keeps entries in the table `models`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> list[Entry]:
        """Everything that was saved."""
        with _available():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(select(MODELS))).mappings().all()
        return [_entry(row) for row in rows]

    async def save(self, entries: Sequence[Entry]) -> None:
        """Saves these entries in one transaction.

        Raises:
            CatalogueUnavailable: The database does not answer.
        """
        # Defaults that end come first: the index allows one of each type at any moment.
        ordered = sorted(entries, key=lambda entry: entry.default_flag)
        with _available():
            async with self._engine.begin() as connection:
                for entry in ordered:
                    values = _values(entry)
                    changed = await connection.execute(
                        update(MODELS).where(MODELS.c.model_id == entry.model_id).values(values)
                    )
                    if changed.rowcount == 0:
                        await connection.execute(insert(MODELS).values(values))


@asynccontextmanager
async def sql_store(url: str) -> AsyncIterator[SqlCatalogueStore]:
    """The store, its database created and migrated.

    Raises:
        StartupError: The database cannot be reached, written or migrated.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError("OLO_REGISTRY_DATABASE_URL is not a database URL") from None
    engine = _engine(parsed)
    try:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(_migrate)
        except Exception as error:
            # Alembic and the drivers raise many kinds; at start each of them means the same.
            raise StartupError(
                f"cannot open the catalogue's database {_shown(parsed)}: {_first_line(error)}"
            ) from error
        yield SqlCatalogueStore(engine)
    finally:
        await engine.dispose()


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"timeout": _CONNECT_SECONDS})
    if url.database and url.database != ":memory:":
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(
                f"cannot create the directory of the catalogue {url.database}: {error.strerror}"
            ) from None
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "busy_timeout=5000", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two registries of a rolling update must not migrate at the same time.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", "olo_registry:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise CatalogueUnavailable("the catalogue's database does not answer", retry_after=2.0) from error


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "model_id": entry.model_id,
        "model_name": entry.model_name,
        "model_type": entry.model_type.value,
        "priority": entry.priority,
        "default_flag": entry.default_flag,
        "enabled": entry.enabled,
        "context_limit": entry.context_limit,
        "hardware_type": entry.hardware_type.value,
        "embedding_dimension": entry.embedding_dimension,
        "create_time": entry.create_time,
        "update_time": entry.update_time,
    }


def _entry(row: RowMapping) -> Entry:
    values = dict(row)
    return Entry(
        **{
            **values,
            "model_type": ModelType(values["model_type"]),
            "hardware_type": HardwareType(values["hardware_type"]),
            "create_time": _utc(values["create_time"]),
            "update_time": _utc(values["update_time"]),
        }
    )


def _utc(time: datetime) -> datetime:
    # SQLite keeps no zone; what was written was UTC.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _first_line(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__
