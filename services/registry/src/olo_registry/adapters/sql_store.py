"""The catalogue in a SQL database: SQLite or Postgres, by its URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from olo_common.errors import Unavailable
from olo_common.sql import Database, open_database
from olo_registry.adapters.schema import MODELS
from olo_registry.catalogue.entry import Entry
from olo_registry.types import HardwareType, ModelType


class SqlCatalogueStore:
    """Keeps entries in the table `models`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[Entry]:
        """Everything that was saved."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(MODELS))).mappings().all()
        return [_entry(row) for row in rows]

    async def save(self, entries: Sequence[Entry]) -> None:
        """Saves these entries in one transaction.

        Raises:
            Unavailable: The database does not answer, or refuses.
        """
        # Defaults that end come first: the index allows one of each type at any moment.
        ordered = sorted(entries, key=lambda entry: entry.default_flag)
        try:
            async with self._database.write() as connection:
                for entry in ordered:
                    values = _values(entry)
                    changed = await connection.execute(
                        update(MODELS).where(MODELS.c.model_id == entry.model_id).values(values)
                    )
                    if changed.rowcount == 0:
                        await connection.execute(insert(MODELS).values(values))
        except IntegrityError as error:
            # Another registry has written meanwhile; what it wrote is not undone.
            raise Unavailable("the catalogue was changed by another registry", retry_after=1.0) from error


@asynccontextmanager
async def sql_store(url: str) -> AsyncIterator[SqlCatalogueStore]:
    """The store, its database created and migrated.

    Raises:
        StartupError: The database cannot be reached, written or migrated.
    """
    async with open_database(
        url,
        name="the catalogue's database",
        variable="OLO_REGISTRY_DATABASE_URL",
        migrations="olo_registry:migrations",
        must_answer=True,
    ) as database:
        yield SqlCatalogueStore(database)


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
