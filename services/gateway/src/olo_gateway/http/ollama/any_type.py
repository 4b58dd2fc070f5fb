"""Bodies without their media type: programs of this dialect leave it out, and curl calls them a form."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from olo_gateway.http.body import StrictRoute


class AnyTypeRoute(StrictRoute):
    """A route that reads every body as JSON, unless a web page has sent it.

    A page may send a form to any address without being asked, JSON only with permission; its browser says `Origin`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler on requests whose type is JSON."""
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            if "origin" in request.headers:
                return await handle(request)
            others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
            typed = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
            return await handle(Request(typed, request.receive))

        return read
