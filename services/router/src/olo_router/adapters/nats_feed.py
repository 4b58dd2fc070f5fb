"""Hears the instances themselves. What cannot be read is dropped and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import olo_events
from olo_common.nats_bus import NatsBus
from olo_common.occasional_log import OccasionalWarning
from olo_contracts.subjects import pattern_of
from olo_router.ports import Fed
from olo_router.types import Departure, Heartbeat, Stamp

_MAX_EVENT_BYTES = 64 * 1024
_MAX_COUNTER = 2**63 - 1
_MAX_IN_FLIGHT = 1_000_000

E = TypeVar("E", olo_events.InstanceHeartbeat, olo_events.InstanceLeft, olo_events.AttemptFinished)


async def hear_instances(bus: NatsBus, fed: Fed) -> None:
    """Begins to listen, as soon as the server is there."""
    warn = OccasionalWarning("events_malformed")

    def heartbeat(event: olo_events.InstanceHeartbeat) -> None:
        if not 0 <= event.in_flight <= _MAX_IN_FLIGHT:
            raise ValueError("in_flight is out of range")
        fed.heartbeat(Heartbeat(event.instance_id, event.model_id, _stamp(event), event.in_flight, event.draining))

    def left(event: olo_events.InstanceLeft) -> None:
        fed.left(Departure(event.instance_id, _stamp(event)))

    def finished(event: olo_events.AttemptFinished) -> None:
        fed.finished(event.instance_id)

    async def hear(event_type: type[E], act: Callable[[E], None]) -> None:
        async def handle(subject: str, payload: bytes) -> None:
            try:
                if len(payload) > _MAX_EVENT_BYTES:
                    raise ValueError("too large")
                act(event_type.parse(payload))
            except Exception as error:
                # Whatever a parser makes of junk, the consumer lives.
                bus.dropped("malformed")
                warn(subject=subject[:200], problem=repr(error)[:200])

        await bus.subscribe(pattern_of(event_type), handle)

    await hear(olo_events.InstanceHeartbeat, heartbeat)
    await hear(olo_events.InstanceLeft, left)
    await hear(olo_events.AttemptFinished, finished)


def _stamp(event: olo_events.InstanceHeartbeat | olo_events.InstanceLeft) -> Stamp:
    if not (0 <= event.epoch <= _MAX_COUNTER and 0 <= event.seq <= _MAX_COUNTER):
        raise ValueError("epoch or seq is out of range")
    return Stamp(event.epoch, event.seq)
