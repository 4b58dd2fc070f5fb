"""Which constraints make sense."""

from __future__ import annotations

import math
from typing import Final

from olo_common.errors import InvalidField
from olo_gateway.runs.order import Constraints

_MAX_ENTRIES: Final = 16
_MAX_LENGTH: Final = 128
_MAX_CONTEXT: Final = 10_000_000


def check_constraints(wanted: Constraints) -> None:
    """Raises InvalidField, naming the constraint that makes no sense."""
    # Each comparison is false for NaN, so that NaN is refused by it.
    if wanted.min_quality is not None and not 0 <= wanted.min_quality <= 1:
        raise InvalidField("constraints.min_quality", "must be from 0 to 1")
    if wanted.max_latency is not None and not 0 < wanted.max_latency <= 86_400:
        raise InvalidField("constraints.max_latency", "must be above 0 and at most 86400 seconds")
    cost = wanted.max_cost_per_1k_tokens
    if cost is not None and not (cost >= 0 and math.isfinite(cost)):
        raise InvalidField("constraints.max_cost_per_1k_tokens", "must be 0 or above")
    if not 0 <= wanted.min_context <= _MAX_CONTEXT:
        raise InvalidField("constraints.min_context", f"must be at most {_MAX_CONTEXT}")
    if wanted.hardware not in ("", "cpu", "gpu"):
        raise InvalidField("constraints.hardware", "must be cpu or gpu")
    words = {"labels": [word for label in wanted.labels for word in label], "capabilities": list(wanted.capabilities)}
    for name, given in words.items():
        entries = len(given) // 2 if name == "labels" else len(given)
        if entries > _MAX_ENTRIES or any(len(word) > _MAX_LENGTH for word in given):
            raise InvalidField(f"constraints.{name}", f"at most {_MAX_ENTRIES} of at most {_MAX_LENGTH} characters")
