"""Errors in the dialect's shape, by the one table of codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from olo_common.errors import InvalidField, OloError
from olo_common.logs import logger
from olo_gateway.http.body import BodyTooLarge
from olo_gateway.http.schemas import ErrorAnswer, ErrorBody

_HTTP_REASONS: Final = {
    HTTPStatus.BAD_REQUEST: ("body_invalid", "the body cannot be read"),
    HTTPStatus.NOT_FOUND: ("path_not_found", "there is nothing at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this path does not take this method"),
}


def install(app: FastAPI) -> None:
    """Makes every error of the application one of the dialect."""

    @app.exception_handler(OloError)
    async def known(_: Request, error: OloError) -> JSONResponse:
        logger(__name__).info("http_failed", code=error.code.name, reason=error.reason)
        return response_of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return response_of(_invalid(request, error))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, BodyTooLarge):
            return too_large(error)
        return refusal(HTTPStatus(error.status_code), error.headers)

    @app.exception_handler(Exception)
    async def crashed(_: Request, error: Exception) -> JSONResponse:
        logger(__name__).error("http_crashed", exc_info=error)
        return response_of(OloError("internal error; the log of the service has the details"))


def refusal(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to what does not even reach a route."""
    reason, message = _HTTP_REASONS.get(status, ("http_error", status.phrase))
    body = ErrorBody(message=message, type="invalid_request_error", code=reason)
    return JSONResponse(ErrorAnswer(error=body).model_dump(), status, headers=headers)


def too_large(error: BodyTooLarge) -> JSONResponse:
    """The response to a body that has too many bytes."""
    body = ErrorBody(message=error.detail, type="invalid_request_error", code="body_too_large")
    return JSONResponse(ErrorAnswer(error=body).model_dump(), error.status_code)


def response_of(error: OloError) -> JSONResponse:
    """The response that tells an error."""
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    return JSONResponse(answer_of(error).model_dump(), error.code.value.http, headers=headers)


def answer_of(error: OloError) -> ErrorAnswer:
    """The body that tells an error."""
    # Sampling options have no group of their own in this dialect.
    param = None if error.field is None else error.field.removeprefix("sampling.")
    return ErrorAnswer(
        error=ErrorBody(
            message=error.message.replace("sampling.", ""),
            type=error.code.value.openai_type,
            param=param,
            code=error.reason,
        )
    )


def _invalid(request: Request, error: RequestValidationError) -> OloError:
    first = error.errors()[0]
    where = [part for part in first["loc"] if part != "body"]
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
    """The path of a field; the tags of unions, which pydantic puts in, are no part of it."""
    name = ""
    for part in where:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part not in ("str", "int", "float", "bool"):
            name += f".{part}" if name else part
    return name


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
