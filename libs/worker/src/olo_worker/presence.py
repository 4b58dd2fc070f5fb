"""Presence: a worker tells the registry that it is there, what it serves and how busy it is.

Announced at start, after each reconnect and whenever somebody asks; renewed by heartbeats; ended by leaving. Every
event carries (epoch, seq), both growing, so that late and doubled ones can be told. A worker whose conditions no
longer hold (Temporal away, model not loaded) falls silent, and its lease runs out: what cannot work must not be chosen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import olo_events
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import NatsBus
from olo_contracts.subjects import Event, pattern_of, subject_of


@dataclass(frozen=True)
class Advertisement:
    """What a worker says of itself; the metadata of the seed's specification."""

    instance_id: str
    model_id: str
    model_name: str
    model_type: olo_events.ModelType
    priority: int
    default_flag: bool
    max_concurrency: int
    context_limit: int
    hardware_type: olo_events.HardwareType
    address: str
    task_queue: str
    embedding_dimension: int = 0
    capabilities: Sequence[str] = ()
    """What it can do beyond answering: `tools`, `json`, `logprobs`, ..."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Such as zone or accelerator."""


async def _nothing_to_stop() -> None:
    """For who takes work from callers alone, and they do not choose what drains."""


class Presence:
    """Speaks for one instance on the bus.

    Args:
        bus: Where to speak.
        advertisement: What to say.
        in_flight: Gives the number of requests running now.
        able: Whether the worker can work now; it falls silent while it cannot.
        heartbeat_seconds: Time between heartbeats.
        stop_taking: Lets what was taken finish, and takes nothing more; called once, when the instance drains.
    """

    def __init__(
        self,
        bus: NatsBus,
        advertisement: Advertisement,
        *,
        in_flight: Callable[[], int],
        able: Callable[[], bool],
        heartbeat_seconds: float,
        stop_taking: Callable[[], Awaitable[None]] = _nothing_to_stop,
    ) -> None:
        self._bus = bus
        self._advertisement = advertisement
        self._in_flight = in_flight
        self._able = able
        self._heartbeat_seconds = heartbeat_seconds
        self._stop_taking = stop_taking
        self._log = logger(__name__)
        self._epoch = time.time_ns() // 1_000_000
        self._seq = 0
        self._present = False
        self._draining = False
        self._left = False

    async def announce(self) -> None:
        """Says everything, if the worker can work and has not left."""
        if self._left or not self._able():
            return
        said = self._advertisement
        await self._publish(
            olo_events.InstanceAnnounced(
                instance_id=said.instance_id,
                epoch=self._epoch,
                seq=self._next(),
                model_id=said.model_id,
                model_name=said.model_name,
                model_type=said.model_type,
                priority=said.priority,
                default_flag=said.default_flag,
                max_concurrency=said.max_concurrency,
                context_limit=said.context_limit,
                hardware_type=said.hardware_type,
                address=said.address,
                task_queue=said.task_queue,
                embedding_dimension=said.embedding_dimension,
                in_flight=self._in_flight(),
                capabilities=list(said.capabilities),
                labels=dict(said.labels),
                draining=self._draining,
            )
        )
        self._present = True

    async def leave(self, reason: str) -> None:
        """Ends the lease at once, for good."""
        self._left = True
        await self.suspend(reason)

    async def suspend(self, reason: str) -> None:
        """Ends the lease at once; the next announcement, when the worker is able again, begins a new one."""
        if not self._present:
            return
        self._present = False
        said = self._advertisement
        await self._publish(
            olo_events.InstanceLeft(
                instance_id=said.instance_id,
                epoch=self._epoch,
                seq=self._next(),
                model_id=said.model_id,
                reason=reason,
            )
        )
        await self._bus.flush()

    @property
    def drain_subject(self) -> str:
        """Where this instance is asked to drain."""
        said = self._advertisement
        return subject_of(olo_events.InstanceDrainRequested(instance_id=said.instance_id, model_id=said.model_id))

    async def drain(self) -> None:
        """Says, from now on with every event, that nothing new is taken; has the owner take nothing more."""
        if self._draining:
            return
        self._draining = True
        self._log.info("instance_draining")
        if self._present:
            await self._heartbeat()
        await self._stop_taking()

    async def run(self) -> None:
        """Announces and renews for ever."""
        while True:
            if not self._able():
                self._present = False
            elif self._present:
                await self._heartbeat()
            else:
                await self.announce()
            await asyncio.sleep(self._heartbeat_seconds)

    async def _heartbeat(self) -> None:
        said = self._advertisement
        await self._publish(
            olo_events.InstanceHeartbeat(
                instance_id=said.instance_id,
                epoch=self._epoch,
                seq=self._next(),
                model_id=said.model_id,
                in_flight=self._in_flight(),
                draining=self._draining,
            )
        )

    async def _publish(self, event: Event) -> None:
        await self._bus.publish(subject_of(event), bytes(event))

    def _next(self) -> int:
        self._seq += 1
        return self._seq


@asynccontextmanager
async def present(presence: Presence, bus: NatsBus, lifetime: Lifetime) -> AsyncIterator[None]:
    """Keeps the presence up while the context is entered, answers who asks, and leaves afterwards."""

    async def asked(_: str, __: bytes) -> None:
        await presence.announce()

    async def told_to_drain(_: str, __: bytes) -> None:
        await presence.drain()

    bus.on_connect(presence.announce)
    await bus.subscribe(presence.drain_subject, told_to_drain)
    await bus.subscribe(pattern_of(olo_events.InstancesRequested), asked)
    async with background(presence.run(), "presence", lifetime):
        try:
            yield
        finally:
            await presence.leave("shutdown")
