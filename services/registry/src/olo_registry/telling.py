"""Tells each change on the bus."""

from __future__ import annotations

from olo_registry.changes import Changes
from olo_registry.ports import Announcer
from olo_registry.telemetry import CHANGES


async def publish_changes(changes: Changes, announcer: Announcer) -> None:
    """Tells, for ever."""
    with changes.listener() as listener:
        while (changed := await listener.next()) is not None:
            CHANGES.add(len(changed.models))
            for model_id in changed.models:
                await announcer.model_changed(model_id, changes.version, changes.epoch)
