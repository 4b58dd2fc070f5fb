"""What happens when a caller hangs up, or reads no more: the work that was done for it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from olo_common.logs import logger
from olo_gateway.errors import ClientTooSlow

EVENT_STREAM: Final = "text/event-stream"

T = TypeVar("T")


async def until_hang_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Does the work, unless the caller hangs up before it is done.

    Raises:
        ClientDisconnect: The caller has hung up.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_disconnected(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        await _end(task)
        await _end(watch)


class EventStream(StreamingResponse):
    """Events, ended at once when the caller hangs up, and not only at the next thing to be sent.

    Args:
        content: The events.
        headers: Further headers.
        patience: Seconds that the caller may take to read before it counts as gone.
        media_type: What they are written as.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes, None],
        headers: dict[str, str],
        patience: float,
        media_type: str = EVENT_STREAM,
    ) -> None:
        told = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers}
        super().__init__(content, headers=told, media_type=media_type)
        self._content = content
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends."""

        async def send_soon(message: Message) -> None:
            # Returns once there is room again between here and the caller.
            async with asyncio.timeout(self._patience):
                await send(message)

        sending = asyncio.create_task(self.stream_response(send_soon))
        watch = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sending, watch}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                with contextlib.suppress(OSError):
                    _result(sending)
        finally:
            await _end(sending)
            await _end(watch)
            await self._content.aclose()


def _result(sending: asyncio.Task[None]) -> None:
    try:
        sending.result()
    except TimeoutError:
        # Nobody is there to be told.
        logger(__name__).info("stream_closed", reason=ClientTooSlow.reason)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
