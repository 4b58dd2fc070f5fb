"""Strict reading of JSON bodies: bounded, no NaN, no broken UTF-8, no nesting that costs a stack."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Twice the most text that a gateway can be set to take: JSON escapes some letters."""


class StrictRequest(Request):
    """A request whose JSON is read by the letter of its standard."""

    async def json(self) -> Any:
        """The body. Raises `json.JSONDecodeError`, of which orjson's error is one."""
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler on strict requests."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


class BodyTooLarge(HTTPException):
    """The body has more bytes than its path takes."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have at most {max_bytes} bytes")


class BodyLimit:
    """ASGI middleware: a body that is too large is not read, whether it says its length or not.

    Args:
        app: The application.
        refusal: Makes what is answered to a body that says so.
        larger: Paths that take more than others, and how much.
    """

    def __init__(
        self, app: ASGIApp, refusal: Callable[[BodyTooLarge], JSONResponse], larger: Mapping[str, int]
    ) -> None:
        self._app = app
        self._refusal = refusal
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on, or refuses it."""
        most = self._larger.get(scope["path"], MAX_BODY_BYTES) if scope["type"] == "http" else MAX_BODY_BYTES
        declared = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        if declared.isdecimal() and int(declared) > most:
            await self._refusal(BodyTooLarge(most))(scope, receive, send)
            return
        size = 0

        async def receive_bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise BodyTooLarge(most)
            return message

        await self._app(scope, receive_bounded, send)
