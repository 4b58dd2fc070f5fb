"""What is told of each HTTP call: a span and how long it took, by OpenTelemetry's conventions for HTTP servers.

FastAPI's own telemetry tells the same, and more that nobody looks at, for some four times the CPU.
"""

from __future__ import annotations

import time
from typing import Any, Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olo_common.tracing import TRACE_HEADERS, error_type, span
from olo_gateway.telemetry import HTTP_CALLS

_UNTOLD: Final = frozenset({"/healthz", "/metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "_OTHER"
"""Callers can make methods up, and labels must not be made up."""
_TRACE_HEADERS: Final = {name.encode(): name for name in TRACE_HEADERS}


class HttpTelemetry:
    """ASGI middleware, the outermost.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on within its span."""
        if scope["type"] != "http" or scope["path"] in _UNTOLD:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        scheme = scope.get("scheme", "http")
        asked = {"http.request.method": method, "url.scheme": scheme, "url.path": scope["path"]}
        # 0: nobody was answered.
        status, problem = 0, ""
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with span(_name(method), SpanKind.SERVER, asked, headers=_trace_headers(scope)) as current:
            try:
                await self._app(scope, receive, noting)
            except Exception as error:
                problem = error_type(error)
                if not isinstance(error, ClientDisconnect):
                    # What is around this answers for what has crashed.
                    status = status or 500
                raise
            finally:
                problem = problem or (str(status) if status >= 500 else "")
                route = _route(scope)
                _tell(current, method, route, status, problem)
                HTTP_CALLS.record(
                    time.perf_counter() - began,
                    http_request_method=method,
                    http_route=route,
                    http_response_status_code=str(status or ""),
                    error_type=problem,
                    url_scheme=scheme,
                )


def _tell(current: Span, method: str, route: str, status: int, problem: str) -> None:
    if status:
        current.set_attribute("http.response.status_code", status)
    if route:
        current.update_name(f"{_name(method)} {route}")
        current.set_attribute("http.route", route)
    if problem:
        current.set_attribute("error.type", problem)
        current.set_status(Status(StatusCode.ERROR))


def _name(method: str) -> str:
    return "HTTP" if method == _OTHER else method


def _route(scope: Scope) -> str:
    """The pattern of what has answered; empty where nothing did, since callers can make such paths up."""
    route: Any = scope.get("route")
    return "" if route is None else str(route.path)


def _trace_headers(scope: Scope) -> dict[str, str]:
    return {_TRACE_HEADERS[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE_HEADERS}
