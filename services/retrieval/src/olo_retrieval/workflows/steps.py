"""Names of the steps of an ingest, shared by the workflow and its activities."""

from __future__ import annotations

INDEX = "index"
SWAP = "swap"
REMOVE_STALE = "remove_stale"
MARK_FAILED = "mark_failed"
