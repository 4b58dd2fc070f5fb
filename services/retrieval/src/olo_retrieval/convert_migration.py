"""Messages of migrations to plain values and back, and what is wrong with a request."""

from __future__ import annotations

import math
import re
import time
from datetime import timedelta
from typing import Final

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_contracts.identifiers import is_valid
from olo_retrieval.convert import chunking_message
from olo_retrieval.migrating.records import BUILDING, IndexPlan, Migration, MigrationState

_MIGRATION_ID: Final = re.compile(r"[0-9a-f]{32}")
_STATES: Final = {
    MigrationState.COPYING: pb.MIGRATION_STATE_COPYING,
    MigrationState.VERIFYING: pb.MIGRATION_STATE_VERIFYING,
    MigrationState.SERVING: pb.MIGRATION_STATE_SERVING,
    MigrationState.ROLLING_BACK: pb.MIGRATION_STATE_ROLLING_BACK,
    MigrationState.FINISHED: pb.MIGRATION_STATE_FINISHED,
    MigrationState.ROLLED_BACK: pb.MIGRATION_STATE_ROLLED_BACK,
    MigrationState.FAILED: pb.MIGRATION_STATE_FAILED,
}
_COPIED: Final = 98.0
"""Percent when all is copied; what comes then takes little time."""


def migration_id(value: str) -> str:
    """The id of a migration; empty for the newest."""
    if value and not is_valid(_MIGRATION_ID, value):
        raise InvalidField("migration_id", "is not one that was given out")
    return value


def min_overlap(value: float) -> float:
    """The overlap below which the old index stays."""
    if math.isnan(value) or not 0 <= value <= 1:
        raise InvalidField("min_overlap", "must be 0 to 1")
    return value


def to_migration(migration: Migration) -> pb.Migration:
    """The message of a migration."""
    message = pb.Migration(
        migration_id=migration.ref.migration_id,
        collection=migration.ref.collection,
        state=_STATES[migration.state],
        source=_to_plan(migration.source),
        target=_to_plan(migration.target),
        percent=_percent(migration),
        min_overlap=migration.min_overlap,
        error=migration.error,
        error_reason=migration.error_reason,
        workflow_id=migration.ref.workflow_id,
    )
    if migration.comparison is not None:
        message.overlap = migration.comparison.overlap
        message.sampled_queries = migration.comparison.queries
    if migration.state in (*BUILDING, MigrationState.SERVING, MigrationState.ROLLING_BACK):
        message.documents_total = migration.documents_total
        message.documents_done = migration.documents_done
    if migration.state is MigrationState.COPYING and migration.documents_done:
        spent = time.time() - migration.created_ms / 1000
        left = migration.documents_total - migration.documents_done
        message.eta.FromTimedelta(timedelta(seconds=max(0.0, spent) / migration.documents_done * left))
    message.create_time.FromMilliseconds(migration.created_ms)
    message.update_time.FromMilliseconds(migration.updated_ms)
    return message


def to_result(state: MigrationState | None) -> pb.MigrateWorkflowResult:
    """The message of where a migration has come to rest."""
    return pb.MigrateWorkflowResult(state=_STATES[state] if state else pb.MIGRATION_STATE_UNSPECIFIED)


def _percent(migration: Migration) -> float:
    if migration.state not in (*BUILDING, MigrationState.ROLLING_BACK):
        return 100.0
    return _COPIED * migration.documents_done / (migration.documents_total or 1)


def _to_plan(plan: IndexPlan) -> pb.IndexPlan:
    return pb.IndexPlan(
        embedding_model_id=plan.model.model_id,
        dimension=plan.model.dimension,
        chunking=chunking_message(plan.chunking),
    )
