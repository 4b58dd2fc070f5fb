"""What the sources said last, and what people have decided, in the registry's database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select

from olo_common.sql import Database
from olo_registry.adapters.database import utc
from olo_registry.adapters.schema import BENCHMARK_LINKS, BENCHMARK_SOURCES
from olo_registry.benchmarks.facts import Link, Record, Source, SourceState

_TUPLES = ("other_names", "capabilities")
_MAX_PROBLEM = 512


class SqlBenchmarkStore:
    """Keeps one row for each source, and one for each decision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_states(self) -> list[SourceState]:
        """Every source that was ever asked."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(BENCHMARK_SOURCES))).mappings().all()
        return [_state(row) for row in rows]

    async def save_state(self, state: SourceState) -> None:
        """Saves what is known of a source.

        Raises:
            Unavailable: The database does not answer.
        """
        table = BENCHMARK_SOURCES
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.source == state.source.value))
            await connection.execute(
                insert(table).values(
                    source=state.source.value,
                    fetch_time=state.fetch_time,
                    check_time=state.check_time,
                    problem=state.problem[:_MAX_PROBLEM],
                    validators=dict(state.validators),
                    records=[asdict(record) for record in state.records],
                )
            )

    async def load_links(self) -> list[Link]:
        """Every decision."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(BENCHMARK_LINKS))).all()
        return [Link(model_id, Source(source), record) for model_id, source, record in rows]

    async def save_link(self, link: Link) -> None:
        """Saves a decision, in place of an earlier one.

        Raises:
            Unavailable: The database does not answer.
        """
        table = BENCHMARK_LINKS
        same = (table.c.model_id == link.model_id) & (table.c.source == link.source.value)
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(same))
            await connection.execute(
                insert(table).values(model_id=link.model_id, source=link.source.value, record=link.record)
            )


def _state(row: RowMapping) -> SourceState:
    return SourceState(
        source=Source(row["source"]),
        records=tuple(_record(values) for values in row["records"]),
        fetch_time=_time(row["fetch_time"]),
        check_time=_time(row["check_time"]),
        problem=row["problem"],
        validators=row["validators"],
    )


def _record(values: dict[str, Any]) -> Record:
    read: dict[str, Any] = {name: tuple(value) if name in _TUPLES else value for name, value in values.items()}
    return Record(**read)


def _time(time: datetime | None) -> datetime | None:
    return None if time is None else utc(time)
