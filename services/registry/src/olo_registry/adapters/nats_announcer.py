"""What the registry says on the bus."""

from __future__ import annotations

import olo_events
from olo_common.nats_bus import NatsBus
from olo_contracts.subjects import subject_of


class NatsAnnouncer:
    """Publishes. What is not heard while the server is away, the next announcement tells again."""

    def __init__(self, bus: NatsBus, requester: str) -> None:
        self._bus = bus
        self._requester = requester

    async def request_announcements(self) -> None:
        """Asks every instance to announce itself."""
        event = olo_events.InstancesRequested(requester=self._requester)
        await self._bus.publish(subject_of(event), bytes(event))

    async def request_drain(self, instance_id: str, model_id: str) -> None:
        """Asks one instance to finish its work and take nothing new."""
        event = olo_events.InstanceDrainRequested(instance_id=instance_id, model_id=model_id)
        await self._bus.publish(subject_of(event), bytes(event))

    async def model_changed(self, model_id: str, version: int, registry_epoch: str) -> None:
        """Says that the registry's view of a model has changed."""
        event = olo_events.ModelChanged(model_id=model_id, version=version, registry_epoch=registry_epoch)
        await self._bus.publish(subject_of(event), bytes(event))
