"""The Temporal face: the `embed` activity."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from temporalio import activity

from olo.embedding.v1.embedding_service_pb2 import EmbedRequest, EmbedResponse
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_contracts.queues import EMBED_ACTIVITY
from olo_embed_worker.embedding import Embedding
from olo_embed_worker.errors import Stopping

HEARTBEAT_SECONDS: Final = 2.0


class EmbedActivities:
    """Translates and calls inward."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    @activity.defn(name=EMBED_ACTIVITY)
    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """One vector for each text; fails with the reasons of `Embed`.

        Takes more texts than a call does and heartbeats meanwhile, so that a worker that dies is noticed and a
        cancelled activity gives its place in the queue back.
        """
        try:
            async with _heartbeats():
                return await self._embedding.embed_many(request)
        except OloError as error:
            raise to_application_error(error) from error
        except asyncio.CancelledError:
            if activity.is_worker_shutdown():
                stopping = Stopping("this instance is stopping", retry_after=1.0)
                raise to_application_error(stopping) from None
            raise


@asynccontextmanager
async def _heartbeats() -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
