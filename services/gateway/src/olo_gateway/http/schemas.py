"""The shapes that all routes share."""

from __future__ import annotations

from typing import Literal

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


class HealthAnswer(AnswerShape):
    status: Literal["ok", "unavailable"]
    missing: list[str]
    """The conditions that do not hold."""
