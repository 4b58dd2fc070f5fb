"""How schemathesis makes requests up from the description of the HTTP API, and what it holds the answers against."""

from __future__ import annotations

import os
from typing import Any, Final

from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

EXAMPLES: Final = int(os.environ.get("OLO_FUZZ_EXAMPLES", "0"))
"""Requests for each operation; 0: a few, the same each time."""
PATIENCE: Final = 120.0
"""Seconds for an answer, on a machine that has other work."""


def made_up(few: int) -> settings:
    """So many requests where nobody has asked for more. Only `make fuzz` draws others each time."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def has_its_shape(context: Any, response: Any, case: Any) -> bool | None:
    """Checks the shape. The description knows a stream as one text; schemathesis takes each event for all of it."""
    if any("text/event-stream" in kind for kind in response.headers.get("content-type", ())):
        return None
    return response_schema_conformance(context, response, case)


SHAPES: Final = [has_its_shape, content_type_conformance]
