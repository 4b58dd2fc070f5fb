"""Names of the steps of ingests, syncs and migrations, shared by the workflows and their activities."""

from __future__ import annotations

INDEX = "index"
SWAP = "swap"
REMOVE_STALE = "remove_stale"
MARK_FAILED = "mark_failed"

BEGIN_SYNC = "begin_sync"
LIST_SOURCE = "list_source"
INGEST_CHANGED = "ingest_changed"
DELETE_MISSING = "delete_missing"
END_SYNC = "end_sync"
FAIL_SYNC = "fail_sync"
REMOVE_SOURCE = "remove_source"

MOVE_MIGRATION = "move_migration"
FAIL_MIGRATION = "fail_migration"
