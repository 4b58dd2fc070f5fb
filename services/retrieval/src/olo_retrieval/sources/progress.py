"""How far a sync has come, from its counts. Pure."""

from __future__ import annotations

from olo_retrieval.sources.model import SyncState

_LISTED, _INGESTED, _ALL = 5.0, 98.0, 100.0
"""Percent of the way behind each step; ingesting takes nearly all of the time."""


def progress_of(state: SyncState, *, done: int, total: int, seconds: float | None) -> tuple[float, float | None]:
    """Percent, and the seconds that the rest will take, None where that is not known.

    Args:
        state: Of the sync.
        done: Documents that have an outcome.
        total: Documents that are listed.
        seconds: Since the first was begun; None before that.
    """
    if state is SyncState.SUCCEEDED:
        return _ALL, None
    if state is SyncState.DELETING:
        return _INGESTED, None
    if state is not SyncState.INGESTING or total == 0:
        return 0.0, None
    done = min(done, total)
    eta = seconds / done * (total - done) if done and seconds is not None else None
    return _LISTED + (_INGESTED - _LISTED) * done / total, eta
