"""Hears the instances themselves. What cannot be read is dropped and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc

import olo_events
from olo_common.nats_bus import NatsBus
from olo_common.occasional_log import OccasionalWarning
from olo_contracts.subjects import pattern_of
from olo_router.ports import Fed
from olo_router.types import Attempt, Departure, Heartbeat, Stamp

_MAX_EVENT_BYTES = 64 * 1024
_MAX_COUNTER = 2**63 - 1
_MAX_IN_FLIGHT = 1_000_000
_MAX_MILLISECONDS = 24 * 3600 * 1000
_MAX_TOKENS = 10_000_000
_MAX_REASON = 64

_FAULTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS)
_FAULT_NUMBERS = frozenset(code.value[0] for code in _FAULTS)
_NO_FAULT = "worker_stopping"
"""Unavailable, but on purpose."""

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
        fed.finished(_attempt(event))

    async def hear(event_type: type[E], act: Callable[[E], None]) -> None:
        async def handle(subject: str, payload: bytes) -> None:
            try:
                if len(payload) > _MAX_EVENT_BYTES:
                    raise ValueError("too large")
                act(event_type.parse(payload))
            except Exception as error:
                # Whatever a parser makes of junk, the consumer lives.
                bus.dropped("malformed")
                warn(subject=subject[:200], problem=type(error).__name__)

        await bus.subscribe(pattern_of(event_type), handle)

    await hear(olo_events.InstanceHeartbeat, heartbeat)
    await hear(olo_events.InstanceLeft, left)
    await hear(olo_events.AttemptFinished, finished)


def _stamp(event: olo_events.InstanceHeartbeat | olo_events.InstanceLeft) -> Stamp:
    if not (0 <= event.epoch <= _MAX_COUNTER and 0 <= event.seq <= _MAX_COUNTER):
        raise ValueError("epoch or seq is out of range")
    return Stamp(event.epoch, event.seq)


def _attempt(event: olo_events.AttemptFinished) -> Attempt:
    times = (event.duration_ms, event.first_token_ms, event.generation_ms)
    tokens = (event.prompt_tokens, event.completion_tokens)
    if not all(0 <= each <= _MAX_MILLISECONDS for each in times) or not all(
        0 <= each <= _MAX_TOKENS for each in tokens
    ):
        raise ValueError("a time or a number of tokens is out of range")
    return Attempt(
        model_id=event.model_id,
        instance_id=event.instance_id,
        duration=event.duration_ms / 1000,
        failure_reason=event.failure_reason[:_MAX_REASON],
        at_fault=event.failure_code in _FAULT_NUMBERS and event.failure_reason != _NO_FAULT,
        first_token=event.first_token_ms / 1000,
        generation=event.generation_ms / 1000,
        prompt_tokens=event.prompt_tokens,
        completion_tokens=event.completion_tokens,
    )
