"""Token chunks from NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from google.protobuf.message import DecodeError

from olo.inference.v1.inference_service_pb2 import TokenChunk
from olo_common.nats_bus import NatsBus
from olo_contracts.subjects import stream_subject
from olo_gateway.ports import Chunks
from olo_gateway.streaming.events import Chunk

_MAX_PENDING: Final = 16_384
"""Chunks that wait for a slow caller; what is dropped beyond comes from the run's result."""


class NatsTokenStreams:
    """Hears chunks on the subject of a run."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncIterator[Chunks]:
        """See `ports.TokenStreams`."""
        chunks: Chunks = asyncio.Queue()

        async def hear(_: str, payload: bytes) -> None:
            try:
                message = TokenChunk.FromString(payload)
            except DecodeError:
                self._bus.dropped("chunk_malformed")
                return
            # Different ids may share a subject, which has fewer letters than they.
            if message.request_id != run_id:
                return
            if chunks.qsize() >= _MAX_PENDING:
                self._bus.dropped("caller_too_slow")
                return
            chunks.put_nowait(Chunk(message.candidate, message.attempt, message.offset, message.text))

        subscription = await self._bus.subscribe(stream_subject(run_id), hear)
        try:
            yield chunks
        finally:
            await subscription.close()
