"""Messages of measurements to plain values and back."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from olo.registry.v1 import registry_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_registry.measurements.measurement import MAX_AT_ONCE, Measurement

_NUMBERS: Final = (
    "weight",
    "timed_weight",
    "first_token_seconds",
    "token_seconds",
    "error_rate",
    "throughput",
)
_DEFAULT_LIMIT: Final = 1000
_MAX_LIMIT: Final = 10_000


def measurements_of(request: pb.ReportMeasurementsRequest) -> list[Measurement]:
    """What is reported.

    Raises:
        InvalidField: There are too many, or a time is none.
    """
    if len(request.measurements) > MAX_AT_ONCE:
        raise InvalidField("measurements", f"at most {MAX_AT_ONCE} are allowed")
    return [_measurement(each, f"measurements[{place}]") for place, each in enumerate(request.measurements)]


def limit_of(request: pb.ListMeasurementsRequest) -> int:
    """How many are wanted.

    Raises:
        InvalidField: Too many.
    """
    if request.limit > _MAX_LIMIT:
        raise InvalidField("limit", f"must be from 1 to {_MAX_LIMIT}")
    return request.limit or _DEFAULT_LIMIT


def measurement_message(measurement: Measurement) -> pb.Measurement:
    """One of them."""
    message = pb.Measurement(
        model_id=measurement.model_id,
        instance_id=measurement.instance_id,
        prompt_size=measurement.prompt_size,
        **{name: getattr(measurement, name) for name in _NUMBERS},
    )
    message.observe_time.FromDatetime(measurement.observe_time)
    return message


def _measurement(message: pb.Measurement, field: str) -> Measurement:
    try:
        observed = message.observe_time.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise InvalidField(f"{field}.observe_time", "is no time") from None
    return Measurement(
        model_id=message.model_id,
        instance_id=message.instance_id,
        prompt_size=message.prompt_size,
        observe_time=observed,
        **{name: getattr(message, name) for name in _NUMBERS},
    )
