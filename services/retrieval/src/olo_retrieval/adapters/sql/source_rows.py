"""Rows of sources to values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from olo_retrieval.adapters.sql.clock import now_ms
from olo_retrieval.adapters.sql.tables import ITEMS
from olo_retrieval.sources.model import ENDED, KINDS, Config, Outcome, Source, SourceRecord, Sync, SyncState
from olo_retrieval.sources.progress import progress_of


def config_values(config: Config) -> dict[str, Any]:
    """The columns of a configuration."""
    return {"kind": kind_of(config), "config": asdict(config)}


def kind_of(config: Config) -> str:
    """What the kind of a configuration is called."""
    return next(name for name, kind in KINDS.items() if isinstance(config, kind))


def source_of(row: Row[Any]) -> Source:
    """The source of a row that has the name of its collection beside it."""
    return Source(
        row.uid, row.tenant, row.collection, row.collection_uid, row.source_id, KINDS[row.kind](**row.config),
        row.interval_seconds, row.created_ms,
    )  # fmt: skip


async def record_of(connection: AsyncConnection, row: Row[Any]) -> SourceRecord:
    """The source of a row with its counts, read in the same transaction."""
    documents = select(func.count()).where(ITEMS.c.source_uid == row.uid, ITEMS.c.version > 0)
    count = (await connection.execute(documents)).scalar_one()
    sync = None
    if row.number:
        counts = row.counts if row.counts is not None else await _counts(connection, row.uid, row.number)
        sync = _sync(row, counts)
    elif row.removing:
        sync = _sync(row, {})
    return SourceRecord(source_of(row), count, sync)


async def _counts(connection: AsyncConnection, uid: str, number: int) -> Mapping[str, int]:
    outcomes = (
        select(ITEMS.c.outcome, func.count())
        .where(ITEMS.c.source_uid == uid, ITEMS.c.done_in == number)
        .group_by(ITEMS.c.outcome)
    )
    counts = {row[0]: row[1] for row in await connection.execute(outcomes)}
    listed = select(func.count()).where(ITEMS.c.source_uid == uid, ITEMS.c.listed_in == number)
    return {**counts, "listed": (await connection.execute(listed)).scalar_one()}


def _sync(row: Row[Any], counts: Mapping[str, int]) -> Sync:
    state = SyncState.REMOVING if row.removing else SyncState(row.state)
    outcomes = {outcome: counts.get(outcome.value, 0) for outcome in Outcome}
    listed = counts.get("listed", 0)
    since = row.ingesting_since_ms
    percent, eta = progress_of(
        state,
        done=sum(outcomes.values()),
        total=listed,
        seconds=(now_ms() - since) / 1000 if since is not None and state not in ENDED else None,
    )
    return Sync(
        row.number, state, row.started_ms, row.ended_ms, listed, outcomes, row.held_deletions, row.error,
        row.error_reason, percent, eta,
    )  # fmt: skip
