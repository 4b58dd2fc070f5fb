"""Strict reading of JSON bodies: bounded, no NaN, no broken UTF-8, no nesting that costs a stack."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY_BYTES: Final = 1024 * 1024


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


class DeclaredBodyLimit:
    """ASGI middleware: a body that says that it is too large is not read. The application counts the others.

    Args:
        app: The application.
        refusal: What is answered instead.
    """

    def __init__(self, app: ASGIApp, refusal: JSONResponse) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on, or refuses it."""
        declared = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        too_large = declared.isdecimal() and int(declared) > MAX_BODY_BYTES
        await (self._refusal if too_large else self._app)(scope, receive, send)
