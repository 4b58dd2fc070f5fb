"""The database of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from olo_common.sql import Database, open_database


@asynccontextmanager
async def registry_database(url: str) -> AsyncIterator[Database]:
    """The database, created and migrated.

    Raises:
        StartupError: It cannot be reached, written or migrated.
    """
    async with open_database(
        url,
        name="the catalogue's database",
        variable="OLO_REGISTRY_DATABASE_URL",
        migrations="olo_registry:migrations",
        table="models",
        must_answer=True,
    ) as database:
        yield database


def utc(time: datetime) -> datetime:
    """A time as it was written. SQLite keeps no zone; what was written was UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
