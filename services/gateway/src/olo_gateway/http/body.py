"""Strict reading of JSON bodies: bounded, no NaN, no broken UTF-8, no nesting that costs a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olo_common.errors import InvalidField

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Twice the most text that a gateway can be set to take: JSON escapes some letters."""

BODY_SECONDS: Final = 30.0


class StrictRequest(Request):
    """A request whose JSON is read by the letter of its standard."""

    async def json(self) -> Any:
        """The body.

        Raises:
            JSONDecodeError: It is no JSON.
            InvalidField: Readers of JSON do not agree on what it says, or cannot read it at all.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = orjson.loads(body)
            _refuse_doubled_keys(body)
        return self._json


def _refuse_doubled_keys(body: bytes) -> None:
    def unlike(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            raise InvalidField("body", "an object has the same key twice", reason="json_duplicate_key")

    try:
        json.loads(body, object_pairs_hook=unlike)
    except RecursionError:
        raise InvalidField("body", "it is nested too deeply", reason="json_too_deep") from None


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
    """ASGI middleware: a body that is too large, too slow or compressed is not read.

    Args:
        app: The application.
        refuse: What is answered at a path to what is refused.
        larger: Paths that take more than others, and how much; such a body may also take its time, while it comes.
        seconds: How long a body may take to arrive.
    """

    def __init__(
        self,
        app: ASGIApp,
        refuse: Callable[[HTTPException, str], Response],
        larger: Mapping[str, int],
        seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._larger = larger
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        large = scope["path"] in self._larger
        most = self._larger[scope["path"]] if large else MAX_BODY_BYTES
        if declared.isdecimal() and int(declared) > most:
            await self._refuse(BodyTooLarge(most), scope["path"])(scope, receive, send)
            return
        if headers.get("content-encoding", "identity") != "identity":
            await self._refuse(HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE), scope["path"])(scope, receive, send)
            return
        size, complete = 0, False
        give_up = asyncio.get_running_loop().time() + self._seconds

        async def receive_bounded() -> Message:
            nonlocal size, complete, give_up
            if complete:
                # What comes now is that the caller has hung up, whenever that is.
                return await receive()
            try:
                async with asyncio.timeout_at(give_up):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None
            if large:
                give_up = asyncio.get_running_loop().time() + self._seconds
            complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > most:
                raise BodyTooLarge(most)
            return message

        await self._app(scope, receive_bounded, send)
