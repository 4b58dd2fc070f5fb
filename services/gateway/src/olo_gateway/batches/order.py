"""Which batches are taken."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.files.shelf import check_life

DEFAULT_WINDOW_SECONDS: Final = 24 * 3600
MIN_WINDOW_SECONDS: Final = 60
MAX_WINDOW_SECONDS: Final = 30 * 24 * 3600
INPUT_PURPOSE: Final = "batch"
_MOST_METADATA: Final = 16
_BATCH_ID: Final = re.compile(r"batch_[0-9a-f]{32}")
_WINDOW: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS: Final = {"m": 60, "h": 3600, "d": 24 * 3600}


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """A request for a batch."""

    input_file_id: str
    endpoint: str
    window: float = DEFAULT_WINDOW_SECONDS
    """Seconds that it may take."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    output_expires_after: float | None = None
    """Seconds that its output is kept; None: it stays."""


def accepted(order: BatchOrder, endpoints: Collection[str]) -> BatchOrder:
    """The order as it is taken.

    Raises:
        InvalidField: Naming the field that is wrong.
    """
    if order.endpoint not in endpoints:
        raise InvalidField("endpoint", f"must be one of {', '.join(sorted(endpoints))}", reason="endpoint_unknown")
    if not MIN_WINDOW_SECONDS <= order.window <= MAX_WINDOW_SECONDS:
        raise InvalidField("completion_window", "must be from 1m to 30d")
    check_metadata(order.metadata)
    if order.request_id and not is_valid(REQUEST_ID, order.request_id):
        raise InvalidField("request_id", "1 to 128 letters, digits and ._:- are allowed")
    check_life("output_expires_after", order.output_expires_after)
    return order


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Checks what a caller notes beside a thing.

    Raises:
        InvalidField: It is too much.
    """
    if len(metadata) > _MOST_METADATA:
        raise InvalidField("metadata", f"at most {_MOST_METADATA} entries are allowed")
    if any(not 1 <= len(key) <= 64 or len(value) > 512 for key, value in metadata.items()):
        raise InvalidField("metadata", "keys may have 1 to 64 characters, values at most 512")


def seconds_of_window(window: str) -> float:
    """The seconds that `24h`, `90m` or `7d` mean.

    Raises:
        InvalidField: It is spelled otherwise.
    """
    if (told := _WINDOW.fullmatch(window)) is None:
        raise InvalidField("completion_window", "must be a number with m, h or d behind it, such as 24h")
    return float(int(told[1]) * _UNITS[told[2]])


def window_of_seconds(seconds: float) -> str:
    """Seconds spelled as a window, in the largest unit of which they are whole, `d` aside: 24h is what clients know."""
    unit = "h" if seconds % _UNITS["h"] == 0 else "m"
    return f"{round(seconds / _UNITS[unit])}{unit}"


def new_batch_id(tenant: str, request_id: str) -> str:
    """An id of its own; with a request id of a tenant, the same each time."""
    if request_id:
        return f"batch_{hashlib.sha256(f'{tenant}/{request_id}'.encode()).hexdigest()[:32]}"
    return f"batch_{int(time.time() * 1000):012x}{uuid.uuid4().hex[:20]}"


def is_batch_id(batch_id: str) -> bool:
    """Whether a batch could have this id."""
    return _BATCH_ID.fullmatch(batch_id) is not None


def output_file_id(batch_id: str, created: float, kind: str) -> str:
    """The id of a file that a batch writes: the same each time, so that it is written once."""
    return f"file-{int(created * 1000):012x}{hashlib.sha256(f'{batch_id}.{kind}'.encode()).hexdigest()[:16]}"
