"""What the registry hears on the bus. What cannot be read, or says what cannot be, is dropped and counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import olo_events
from olo_common.errors import OloError
from olo_common.nats_bus import NatsBus
from olo_common.occasional_log import OccasionalWarning
from olo_contracts.subjects import pattern_of, subject_of
from olo_registry.types import Announcement, Departure, HardwareType, Heartbeat, ModelType, Stamp

_MAX_EVENT_BYTES = 64 * 1024

_MODEL_TYPES = {
    olo_events.ModelType.LLM: ModelType.LLM,
    olo_events.ModelType.EMBEDDING: ModelType.EMBEDDING,
}
_HARDWARE_TYPES = {
    olo_events.HardwareType.CPU: HardwareType.CPU,
    olo_events.HardwareType.GPU: HardwareType.GPU,
}

E = TypeVar("E", olo_events.InstanceAnnounced, olo_events.InstanceHeartbeat, olo_events.InstanceLeft)


class Hearer(Protocol):
    """Who acts on what was heard."""

    async def announce(self, said: Announcement, /) -> object:
        """An instance has announced itself."""
        ...

    async def heartbeat(self, heartbeat: Heartbeat, /) -> None:
        """An instance is alive."""
        ...

    async def leave(self, departure: Departure, /) -> None:
        """An instance has ended."""
        ...


class NatsListener:
    """Reads events and hands them on."""

    def __init__(self, bus: NatsBus, hearer: Hearer) -> None:
        self._bus = bus
        self._hearer = hearer
        self._warn_malformed = OccasionalWarning("events_malformed")
        self._warn_refused = OccasionalWarning("announcements_refused")

    async def subscribe(self) -> None:
        """Begins to listen, as soon as the server is there."""

        async def announced(event: olo_events.InstanceAnnounced) -> None:
            await self._hearer.announce(announcement_of(event))

        async def heartbeat(event: olo_events.InstanceHeartbeat) -> None:
            stamp = Stamp(event.epoch, event.seq)
            await self._hearer.heartbeat(
                Heartbeat(event.instance_id, event.model_id, stamp, event.in_flight, event.draining)
            )

        async def left(event: olo_events.InstanceLeft) -> None:
            await self._hearer.leave(Departure(event.instance_id, Stamp(event.epoch, event.seq)))

        await self._hear(olo_events.InstanceAnnounced, announced)
        await self._hear(olo_events.InstanceHeartbeat, heartbeat)
        await self._hear(olo_events.InstanceLeft, left)

    async def _hear(self, event_type: type[E], act: Callable[[E], Awaitable[None]]) -> None:
        async def handle(subject: str, payload: bytes) -> None:
            try:
                event = _read(event_type, subject, payload)
            except Exception as error:
                # Whatever a parser makes of junk, the consumer lives.
                self._drop(subject, type(error).__name__)
                return
            try:
                await act(event)
            except OloError as error:
                if error.reason == "field_invalid":
                    self._drop(subject, error.message)
                else:
                    self._bus.dropped("refused")
                    self._warn_refused(subject=subject[:200], reason=error.reason, error=error.message)

        await self._bus.subscribe(pattern_of(event_type), handle)

    def _drop(self, subject: str, problem: str) -> None:
        self._bus.dropped("malformed")
        self._warn_malformed(subject=subject[:200], problem=problem[:200])


def announcement_of(event: olo_events.InstanceAnnounced) -> Announcement:
    """The event as a plain value; an unknown type becomes None and is refused later."""
    return Announcement(
        instance_id=event.instance_id,
        model_id=event.model_id,
        stamp=Stamp(event.epoch, event.seq),
        model_name=event.model_name,
        model_type=_MODEL_TYPES.get(event.model_type),
        priority=event.priority,
        default_flag=event.default_flag,
        max_concurrency=event.max_concurrency,
        context_limit=event.context_limit,
        hardware_type=_HARDWARE_TYPES.get(event.hardware_type),
        address=event.address,
        task_queue=event.task_queue,
        embedding_dimension=event.embedding_dimension,
        in_flight=event.in_flight,
        draining=event.draining,
        capabilities=tuple(sorted(event.capabilities)),
        labels=dict(event.labels),
    )


def _read(event_type: type[E], subject: str, payload: bytes) -> E:
    if len(payload) > _MAX_EVENT_BYTES:
        raise ValueError("too large")
    event = event_type.parse(payload)
    if subject_of(event) != subject:
        raise ValueError("the subject names another instance")
    return event
