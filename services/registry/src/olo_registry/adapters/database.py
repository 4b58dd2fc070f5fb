"""The database of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
        must_answer=True,
    ) as database:
        yield database
