"""The catalogue in a SQL database: SQLite or Postgres, by its URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_common.errors import Unavailable
from olo_common.sql import Database
from olo_registry.adapters.database import utc
from olo_registry.adapters.schema import ALIAS_SHADOWS, ALIAS_TARGETS, MODELS
from olo_registry.catalogue.alias import Alias, Shadow, Target
from olo_registry.catalogue.entry import Entry
from olo_registry.types import HardwareType, ModelType


class SqlCatalogueStore:
    """Keeps entries in the table `models`, aliases in `alias_targets` and `alias_shadows`."""

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

    async def load_aliases(self) -> list[Alias]:
        """Every alias that was saved."""
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(ALIAS_TARGETS).order_by(ALIAS_TARGETS.c.alias, ALIAS_TARGETS.c.model_id)
                )
            ).all()
            shadows = (await connection.execute(select(ALIAS_SHADOWS))).all()
        targets: dict[str, list[Target]] = {}
        for alias, model_id, weight in rows:
            targets.setdefault(alias, []).append(Target(model_id, weight))
        shadow_of = {alias: Shadow(model_id, percent) for alias, model_id, percent in shadows}
        return [Alias(name, tuple(found), shadow_of.get(name)) for name, found in targets.items()]

    async def save_alias(self, alias: Alias) -> None:
        """Saves an alias with its targets and its shadow, in one transaction.

        Raises:
            Unavailable: The database does not answer.
        """
        rows = [{"alias": alias.name, "model_id": t.model_id, "weight": t.weight} for t in alias.targets]
        async with self._database.write() as connection:
            await _delete(connection, alias.name)
            await connection.execute(insert(ALIAS_TARGETS), rows)
            if (shadow := alias.shadow) is not None:
                row = {"alias": alias.name, "model_id": shadow.model_id, "percent": shadow.percent}
                await connection.execute(insert(ALIAS_SHADOWS), row)

    async def delete_alias(self, name: str) -> None:
        """Deletes an alias.

        Raises:
            Unavailable: The database does not answer.
        """
        async with self._database.write() as connection:
            await _delete(connection, name)


async def _delete(connection: AsyncConnection, alias: str) -> None:
    for table in (ALIAS_TARGETS, ALIAS_SHADOWS):
        await connection.execute(delete(table).where(table.c.alias == alias))


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
        "quality_score": entry.quality_score,
        "cost_per_1k_input_tokens": entry.cost_per_1k_input_tokens,
        "cost_per_1k_output_tokens": entry.cost_per_1k_output_tokens,
        "labels": dict(entry.labels),
        "capabilities": list(entry.capabilities),
        "allowed_tenants": list(entry.allowed_tenants),
    }


def _entry(row: RowMapping) -> Entry:
    values = dict(row)
    return Entry(
        **{
            **values,
            "model_type": ModelType(values["model_type"]),
            "hardware_type": HardwareType(values["hardware_type"]),
            "create_time": utc(values["create_time"]),
            "update_time": utc(values["update_time"]),
            "capabilities": tuple(values["capabilities"]),
            "allowed_tenants": tuple(values["allowed_tenants"]),
        }
    )
