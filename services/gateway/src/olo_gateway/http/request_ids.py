"""What the headers of every answer say: the id of the call, how long it took, and how much room there is.

The id is the caller's, or a new one; it is in each line of the log, too.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olo_common.grpc_interceptors import REQUEST_ID_KEY
from olo_common.structlog_library import bound_contextvars
from olo_contracts.identifiers import REQUEST_ID, is_valid


class RequestIds:
    """ASGI middleware.

    Args:
        app: The application.
        rates: The headers that tell how much room there is.
    """

    def __init__(self, app: ASGIApp, rates: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get(REQUEST_ID_KEY, "")
        request_id = told if is_valid(REQUEST_ID, told) else uuid.uuid4().hex

        began = time.monotonic()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_KEY] = request_id
                headers["openai-processing-ms"] = str(round((time.monotonic() - began) * 1000))
                if scope["method"] == "POST":
                    headers.update(self._rates())
            await send(message)

        with bound_contextvars(request_id=request_id, path=scope["path"]):
            await self._app(scope, receive, send_with_id)
