"""One measurement, and what makes it sound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import MODEL_ID, is_valid
from olo_registry.catalogue.validation import validate_instance_id

PROMPT_SIZES: Final = ("short", "medium", "long")
MAX_AT_ONCE: Final = 1000
KEPT: Final = timedelta(days=30)
"""What is older is forgotten: instances come and go, and their rows must not stay for ever."""
_AHEAD: Final = timedelta(minutes=5)
_MOST: Final = 1e9


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was learned about a model, or one instance of it, for prompts of one size; see the contract."""

    model_id: str
    instance_id: str
    """Empty: all instances together."""
    prompt_size: str
    observe_time: datetime
    weight: float
    timed_weight: float
    first_token_seconds: float
    token_seconds: float
    error_rate: float
    throughput: float

    def check(self, field: str, now: datetime) -> None:
        """Raises InvalidField where a value cannot be."""
        if not is_valid(MODEL_ID, self.model_id):
            raise InvalidField(f"{field}.model_id", "must be a model id")
        if self.instance_id:
            validate_instance_id(self.instance_id)
        if self.prompt_size not in PROMPT_SIZES:
            raise InvalidField(f"{field}.prompt_size", f"must be one of {', '.join(PROMPT_SIZES)}")
        if not now - KEPT <= self.observe_time <= now + _AHEAD:
            raise InvalidField(f"{field}.observe_time", f"must be of the last {KEPT.days} days")
        for name in ("weight", "timed_weight", "first_token_seconds", "token_seconds", "throughput"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= _MOST):
                raise InvalidField(f"{field}.{name}", "must be a number that is not negative")
        if not 0 <= self.error_rate <= 1:
            raise InvalidField(f"{field}.error_rate", "must be from 0 to 1")
