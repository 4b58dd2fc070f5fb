"""Removes the points whose rows are gone."""

from __future__ import annotations

from olo_retrieval.ports import VectorStore, VersionStore

_BATCH = 100


async def remove_points(versions: VersionStore, vectors: VectorStore) -> None:
    """Works off every noted removal. Doing one twice does no harm."""
    while removals := await versions.removals(_BATCH):
        for removal in removals:
            await vectors.delete(removal.model, removal.selection)
            await versions.removed(removal.removal_id)
