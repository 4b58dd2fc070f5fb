"""The errors of the HTTP edge: one table of codes, told in the shape of the dialect that a path speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from olo_common.errors import ErrorCode, InvalidField, OloError
from olo_common.failed_calls import FailedCalls
from olo_common.logs import logger
from olo_gateway.access.errors import Forbidden, RateLimited
from olo_gateway.http.anthropic.spelling import in_anthropic, type_of
from olo_gateway.http.body import BodyTooLarge
from olo_gateway.http.field_names import in_chat, in_responses
from olo_gateway.http.ollama.spelling import in_ollama
from olo_gateway.http.schemas import ErrorAnswer, ErrorBody
from olo_gateway.telemetry import count_denial

HTTP_REASONS: Final = {
    HTTPStatus.BAD_REQUEST: ("body_invalid", "the body cannot be read"),
    HTTPStatus.NOT_FOUND: ("path_not_found", "there is nothing at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this path does not take this method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "the body has too many bytes"),
    HTTPStatus.REQUEST_TIMEOUT: ("body_timeout", "the body was not sent in time"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("encoding_unsupported", "the body must not be compressed"),
}
_CODES: Final = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.UNIMPLEMENTED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.INVALID_ARGUMENT,
}


class Dialect(Enum):
    """Whose clients a path serves; its errors have the shape that these read."""

    OPENAI = "openai"
    RESPONSES = "responses"
    """OpenAI's too, with other names of fields."""
    OLLAMA = "ollama"
    ANTHROPIC = "anthropic"


_PATHS: Final = (
    ("/v1/responses", Dialect.RESPONSES),
    ("/v1/messages", Dialect.ANTHROPIC),
    ("/api/cluster", Dialect.OPENAI),
    ("/api/nodes", Dialect.OPENAI),
    ("/api/queue", Dialect.OPENAI),
    ("/api", Dialect.OLLAMA),
)
"""How paths begin that speak a dialect. The first that fits counts; all others speak OpenAI's."""


class Refused(OloError):
    """A call that reaches no route. HTTP has a status for it that the table of codes does not know.

    Args:
        status: What is answered.
        detail: What is said; empty: what is always said with this status.
    """

    def __init__(self, status: HTTPStatus, detail: str = "") -> None:
        reason, message = HTTP_REASONS.get(status, ("http_error", status.phrase))
        super().__init__(detail or message)
        self.code = _CODES.get(status, ErrorCode.INVALID_ARGUMENT)
        self.reason = reason
        self.status = status


def refused(error: HTTPException) -> Refused:
    """What a refusal of the framework, or of a body, means."""
    return Refused(HTTPStatus(error.status_code), error.detail if isinstance(error, BodyTooLarge) else "")


def dialect_of(path: str) -> Dialect:
    """The dialect that this path speaks."""
    for beginning, dialect in _PATHS:
        if path == beginning or path.startswith(beginning + "/"):
            return dialect
    return Dialect.OPENAI


def error_body(dialect: Dialect, error: OloError) -> dict[str, Any]:
    """The JSON body that tells an error."""
    match dialect:
        case Dialect.OPENAI:
            return _openai(error, in_chat)
        case Dialect.RESPONSES:
            return _openai(error, in_responses)
        case Dialect.OLLAMA:
            return {"error": in_ollama(error.message)}
        case Dialect.ANTHROPIC:
            told = {"type": type_of(status_of(error)), "message": in_anthropic(error.message)}
            return {"type": "error", "error": told}


def status_of(error: OloError) -> int:
    """The HTTP status of an error, in every dialect."""
    if isinstance(error, Refused):
        return error.status
    if error.reason in STATUSES:
        return STATUSES[error.reason]
    return error.code.value.http


def response_of(error: OloError, dialect: Dialect, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response that tells an error."""
    told = dict(headers or {})
    if error.retry_after is not None:
        told["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return JSONResponse(error_body(dialect, error), status_of(error), headers=told)


def internal() -> OloError:
    """What a caller learns of a bug."""
    return OloError("internal error; the log of the service has the details")


def install(app: FastAPI) -> None:
    """Makes every error of the application one of the dialect of its path."""
    failed = FailedCalls("http_failed")

    @app.exception_handler(OloError)
    async def known(request: Request, error: OloError) -> JSONResponse:
        failed.tell(error)
        if isinstance(error, Forbidden | RateLimited):
            count_denial(error.reason)
        return response_of(error, dialect_of(request.url.path))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return response_of(_invalid(request, error), dialect_of(request.url.path))

    @app.exception_handler(HTTPException)
    async def unserved(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, OloError):
            # The framework wraps what the reading of a body raises.
            return response_of(error.__cause__, dialect_of(request.url.path))
        return response_of(refused(error), dialect_of(request.url.path), error.headers)

    @app.exception_handler(Exception)
    async def crashed(request: Request, error: Exception) -> JSONResponse:
        logger(__name__).error("http_crashed", exc_info=error)
        return response_of(internal(), dialect_of(request.url.path))


STATUSES: Final[Mapping[str, int]] = {
    "media_type_unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""Reasons for which HTTP has a better status than their code has."""


def _openai(error: OloError, spelled: Callable[[str], str]) -> dict[str, Any]:
    body = ErrorBody(
        message=spelled(error.message),
        type=error.code.value.openai_type,
        param=None if error.field is None else spelled(error.field),
        code=error.reason,
    )
    return ErrorAnswer(error=body).model_dump()


def _invalid(request: Request, error: RequestValidationError) -> OloError:
    first = error.errors()[0]
    place, *inside = first["loc"]
    where = inside if place in ("body", "query") else [place, *inside]
    if first["type"] == "json_invalid":
        return InvalidField("body", "this is not valid JSON", reason="json_invalid")
    if not where:
        media_type = request.headers.get("content-type", "")
        if first["type"] == "missing":
            return InvalidField("body", "a JSON object is needed", reason="body_empty")
        if "json" not in media_type:
            return InvalidField("Content-Type", "must be application/json", reason="media_type_unsupported")
        return InvalidField("body", "must be a JSON object")
    return invalid_field(where, str(first["type"]), str(first["msg"]))


def invalid_field(where: list[int | str], kind: str, message: str) -> InvalidField:
    """What pydantic says of a field, as the dialect says it.

    Args:
        where: The path of the field.
        kind: What is wrong, in pydantic's words.
        message: For people.
    """
    if where == ["messages"] and kind == "missing":
        return InvalidField("messages", "at least one message is needed", reason="messages_missing")
    return InvalidField(_field(where), _lowered(message))


def _field(where: list[int | str]) -> str:
    """The path of a field; the tags of unions, types that pydantic puts in, are no part of it."""
    name = ""
    for part in where:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and not part[0].isupper() and part not in ("str", "int", "float", "bool"):
            name += f".{part}" if name else part
    return name


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
