"""Names of the steps of ingests and migrations, shared by the workflows and their activities."""

from __future__ import annotations

INDEX = "index"
SWAP = "swap"
REMOVE_STALE = "remove_stale"
MARK_FAILED = "mark_failed"

MOVE_MIGRATION = "move_migration"
FAIL_MIGRATION = "fail_migration"
