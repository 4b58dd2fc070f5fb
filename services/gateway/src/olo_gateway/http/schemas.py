"""The shapes that all routes share."""

from __future__ import annotations

from typing import Any, Final, Literal

from olo_gateway.http.shapes import AnswerShape


class ErrorBody(AnswerShape):
    message: str
    type: str
    param: str | None = None
    """The field of the request that is wrong."""
    code: str | None = None
    """A stable reason for programs."""


class ErrorAnswer(AnswerShape):
    error: ErrorBody


AN_ERROR: Final[dict[str, Any]] = {
    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}
}
"""What the description of a route says of an answer with an error. FastAPI makes a validator for each place that gives
a model instead, some four hundred of them, at every start."""


class HealthAnswer(AnswerShape):
    status: Literal["ok", "unavailable"]
    missing: list[str]
    """The conditions that do not hold."""
