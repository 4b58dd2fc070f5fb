"""Keeps what was learned in the registry's database, so that a router that starts is not blind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from olo.registry.v1 import registry_service_pb2 as pb
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_common.occasional_log import OccasionalWarning
from olo_router.learning.learner import Key, Measurement
from olo_router.learning.sizes import PromptSize
from olo_router.ports import Remembered

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

_PEER: Final = "the registry"
_SECONDS: Final = 5.0
_AT_ONCE: Final = 1000
_RECALLED: Final = 10_000
_TRY_AGAIN_SECONDS: Final = 1.0

Now = Callable[[], datetime]


def system_time() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)


async def remember(
    stub: RegistryServiceAsyncStub, learner: Remembered, pause_seconds: float, now: Now = system_time
) -> None:
    """Recalls what was stored, then stores what is learned, for ever."""
    away = OccasionalWarning("measurements_not_stored")
    while True:
        try:
            stored = await call(
                stub.ListMeasurements, pb.ListMeasurementsRequest(limit=_RECALLED), peer=_PEER, timeout=_SECONDS
            )
            break
        except OloError as error:
            away(reason=error.reason)
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
    learner.recall(_recalled(stored, now()))
    while True:
        await asyncio.sleep(pause_seconds)
        await _store(stub, learner, now(), away)


async def _store(stub: RegistryServiceAsyncStub, learner: Remembered, now: datetime, away: OccasionalWarning) -> None:
    while learned := learner.learned(_AT_ONCE):
        request = pb.ReportMeasurementsRequest(measurements=[_message(each, now) for each in learned])
        try:
            await call(stub.ReportMeasurements, request, peer=_PEER, timeout=_SECONDS)
        except OloError as error:
            learner.not_stored(learned)
            away(reason=error.reason)
            return


def _recalled(stored: pb.ListMeasurementsResponse, now: datetime) -> list[tuple[Measurement, float]]:
    sizes = {size.value: size for size in PromptSize}
    return [
        (
            Measurement(
                Key(each.model_id, each.instance_id, sizes[each.prompt_size]),
                each.weight,
                each.timed_weight,
                each.first_token_seconds,
                each.token_seconds,
                each.error_rate,
                each.throughput,
            ),
            (now - each.observe_time.ToDatetime(tzinfo=UTC)).total_seconds(),
        )
        for each in stored.measurements
        if each.prompt_size in sizes
    ]


def _message(each: Measurement, now: datetime) -> pb.Measurement:
    message = pb.Measurement(
        model_id=each.key.model_id,
        instance_id=each.key.instance_id,
        prompt_size=each.key.size.value,
        weight=each.weight,
        timed_weight=each.timed_weight,
        first_token_seconds=each.first_token,
        token_seconds=each.per_token,
        error_rate=each.error_rate,
        throughput=each.throughput,
    )
    message.observe_time.FromDatetime(now)
    return message
