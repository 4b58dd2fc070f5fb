"""How many examples tests make up: a few, the same each time; `make fuzz` draws many, and others each time."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

EXAMPLES: Final = int(os.environ.get("OLO_FUZZ_EXAMPLES", "0"))
"""Examples of each thing; 0: a few, the same each time."""


def made_up(few: int) -> settings:
    """So many examples where nobody has asked for more. Only `make fuzz` draws others each time."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
