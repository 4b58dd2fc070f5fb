"""The id of a run, and the fingerprint that tells two requests with one id apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from enum import Enum
from typing import Final

from olo_gateway.runs.order import ChatOrder

_PREFIX: Final = "run-"
_LONGEST: Final = 128
"""A run's id is also the request id of its generations, which may not be longer."""


def run_id_of(request_id: str) -> str:
    """The id of the run with this request id. Needs no escaping in a URL; one that would be too long is hashed."""
    if len(_PREFIX) + len(request_id) > _LONGEST:
        request_id = hashlib.sha256(request_id.encode()).hexdigest()
    return _PREFIX + request_id


def fingerprint(order: ChatOrder) -> str:
    """A hash of what is asked. How long, how urgently and where the caller waits is no part of it: retries differ."""
    asked = asdict(replace(order, request_id="", timeout=None))
    del asked["wait_for_model"], asked["store"], asked["priority"]
    text = json.dumps(
        asked, sort_keys=True, default=lambda value: value.value if isinstance(value, Enum) else str(value)
    )
    return hashlib.sha256(text.encode()).hexdigest()
