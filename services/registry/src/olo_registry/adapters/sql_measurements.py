"""Measurements in the table `measurements` of the catalogue's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from olo_common.sql import Database
from olo_registry.adapters.schema import MEASUREMENTS
from olo_registry.measurements.measurement import KEPT, Measurement

_KEY = ("model_id", "instance_id", "prompt_size")


class SqlMeasurements:
    """Keeps the newest measurement of each key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, measurements: Sequence[Measurement], now: datetime) -> None:
        """Stores them in one transaction, and forgets what is too old. Raises Unavailable."""
        newest = {tuple(getattr(each, name) for name in _KEY): each for each in _by_time(measurements)}
        async with self._database.write() as connection:
            await connection.execute(delete(MEASUREMENTS).where(MEASUREMENTS.c.observe_time < now - KEPT))
            if not newest:
                return
            # Both dialects have the same clause, in classes of their own.
            insert = (sqlite if self._database.is_file else postgresql).insert(MEASUREMENTS)
            values = {column.name: insert.excluded[column.name] for column in MEASUREMENTS.c if column.name not in _KEY}
            upsert = insert.on_conflict_do_update(
                index_elements=list(_KEY),
                set_=values,
                where=MEASUREMENTS.c.observe_time <= insert.excluded.observe_time,
            )
            await connection.execute(upsert, [asdict(each) for each in newest.values()])

    async def list(self, limit: int) -> list[Measurement]:
        """At most so many, the newest first. Raises Unavailable."""
        statement = select(MEASUREMENTS).order_by(MEASUREMENTS.c.observe_time.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return [Measurement(**{**row, "observe_time": _utc(row["observe_time"])}) for row in rows]


def _by_time(measurements: Sequence[Measurement]) -> list[Measurement]:
    return sorted(measurements, key=lambda each: each.observe_time)


def _utc(time: datetime) -> datetime:
    # SQLite keeps no zone; what was written was UTC.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
