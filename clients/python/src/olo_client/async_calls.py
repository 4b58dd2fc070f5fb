"""Calls over an aio channel: deadline, retries, errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc

from olo.gateway.v1.gateway_service_pb2 import CancelRunRequest, ChatStreamRequest, ChatStreamResponse
from olo_client.connection import ABANDON_SECONDS, P, Patience, open_aio_channel
from olo_client.credentials import key_in_aio_calls
from olo_client.errors import OloError, cut_off, error_from_rpc
from olo_client.retries import Retries
from olo_client.streams import StreamPlace
from olo_client.tls import Tls

R = TypeVar("R")


class AsyncCalls:
    """One channel, and how calls are made on it."""

    def __init__(self, target: str, patience: Patience, tls: Tls | bool | None = None, api_key: str = "") -> None:
        self.channel = open_aio_channel(target, tls, key_in_aio_calls(api_key))
        self._target = target
        self._patience = patience

    @property
    def timeout(self) -> float:
        """Seconds that a call has where it does not say."""
        return self._patience.timeout

    def error(self, error: grpc.RpcError) -> OloError:
        """The error of a call that was made on the channel itself."""
        return error_from_rpc(error, self._target)

    def retries(self, timeout: float | None, repeatable: bool, reruns: bool = False, new: bool = False) -> Retries:
        """The attempts of a new call."""
        return Retries(self._patience.attempts_for(repeatable), timeout or self._patience.timeout, reruns, new)

    async def call(
        self,
        method: Callable[..., Awaitable[R]],
        request: Any,
        *,
        timeout: float | None = None,
        repeatable: bool = True,
        next_run: Callable[[], Any] | None = None,
        new: bool = False,
    ) -> R:
        """Makes a unary call.

        Args:
            method: Of the stub.
            request: Its message.
            timeout: Seconds for all tries.
            repeatable: Whether it may be tried again.
            next_run: Gives the request of another run where one has failed; None: a failed run is the end.
            new: Whether nobody has used the id of the request before.

        Raises:
            OloError: It has failed, after retries where it is `repeatable`.
        """
        retries = self.retries(timeout, repeatable, next_run is not None, new)
        while True:
            try:
                return await method(request, timeout=retries.time_left, metadata=retries.metadata)
            except grpc.RpcError as error:
                failure = error_from_rpc(error, self._target)
                pause = retries.pause_after(failure)
            await asyncio.sleep(pause)
            if failure.run_failed and next_run is not None:
                request = next_run()

    async def chat_stream(
        self,
        method: Callable[..., Any],
        request: ChatStreamRequest,
        *,
        timeout: float | None,
        cancel: Callable[..., Any] | None = None,
        new: bool = False,
    ) -> AsyncIterator[ChatStreamResponse]:
        """Makes the streaming call, lets it go on elsewhere where it breaks, and gives one sound stream.

        Args:
            method: The call.
            request: What is asked, or which run to follow.
            timeout: Seconds for all of it.
            cancel: The call that cancels a run whose reader leaves early; None: it goes on.
            new: Whether nobody has used the id of the request before.

        Raises:
            OloError: It has failed for good.
        """
        retries, place = self.retries(timeout, repeatable=True, new=new), StreamPlace(request)
        try:
            while True:
                call = method(place.request, timeout=retries.time_left, metadata=retries.metadata)
                try:
                    async for event in call:
                        retries.progress()
                        for passed in place.feed(event):
                            yield passed
                    if place.completed:
                        return
                    pause = retries.pause_after(cut_off())
                except grpc.RpcError as error:
                    failure = error_from_rpc(error, self._target)
                    pause = 0.0 if place.survives(failure) else retries.pause_after(failure)
                finally:
                    call.cancel()
                await asyncio.sleep(pause)
        except (GeneratorExit, asyncio.CancelledError):
            if cancel is not None and place.run_id and not place.completed:
                await self._abandon(cancel, place.run_id)
            raise

    async def _abandon(self, cancel: Callable[..., Any], run_id: str) -> None:
        # It would end at its deadline at the latest.
        with contextlib.suppress(OloError):
            await self.call(cancel, CancelRunRequest(run_id=run_id), timeout=ABANDON_SECONDS, repeatable=False)

    async def pages(
        self, fetch: Callable[[str], Awaitable[P]], items: Callable[[P], Any], limit: int | None
    ) -> AsyncIterator[Any]:
        """The items of all pages, at most `limit`."""
        token, given = "", 0
        while True:
            page = await fetch(token)
            for item in items(page):
                if limit is not None and given >= limit:
                    return
                given += 1
                yield item
            token = page.next_page_token
            if not token:
                return
