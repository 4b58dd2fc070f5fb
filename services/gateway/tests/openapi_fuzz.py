"""How schemathesis makes requests up from the description of the HTTP API, and what it holds the answers against."""

from __future__ import annotations

from typing import Any, Final

from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

PATIENCE: Final = 120.0
"""Seconds for an answer, on a machine that has other work."""


def has_its_shape(context: Any, response: Any, case: Any) -> bool | None:
    """Checks the shape. The description knows a stream as one text; schemathesis takes each event for all of it."""
    if any("text/event-stream" in kind for kind in response.headers.get("content-type", ())):
        return None
    return response_schema_conformance(context, response, case)


SHAPES: Final = [has_its_shape, content_type_conformance]
