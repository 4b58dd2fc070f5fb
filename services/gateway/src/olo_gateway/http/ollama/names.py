"""Names of models: in this dialect each has a tag, and `latest` goes without saying."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_LATEST: Final = ":latest"


def model_of(name: str) -> str:
    """The model that a name means: `llama` and `llama:latest` are one."""
    return name.removesuffix(_LATEST)


def name_of(model_id: str) -> str:
    """How the dialect writes a model, always with a tag."""
    return model_id if ":" in model_id else model_id + _LATEST


def now() -> str:
    """The time, as the dialect writes it."""
    return _written(datetime.now(UTC))


def written(time: Timestamp) -> str:
    """A time, as the dialect writes it."""
    return _written(time.ToDatetime(UTC))


def _written(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
