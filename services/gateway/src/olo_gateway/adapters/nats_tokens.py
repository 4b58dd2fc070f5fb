"""Token chunks from NATS: those that come, and those that it has kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from google.protobuf.message import DecodeError

from olo.inference.v1.inference_service_pb2 import TokenChunk
from olo_common.nats_bus import NatsBus
from olo_common.nats_streams import StreamKeeper
from olo_contracts.streams import CHUNK_STREAM
from olo_contracts.subjects import stream_subject
from olo_gateway.ports import Hear
from olo_gateway.streaming.events import Chunk


class NatsTokenStreams:
    """Hears chunks on the subject of a run."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self._kept = StreamKeeper(bus, CHUNK_STREAM)

    @asynccontextmanager
    async def listen(self, run_id: str, hear: Hear) -> AsyncIterator[None]:
        """See `ports.TokenStreams`."""

        async def hear_message(_: str, payload: bytes) -> None:
            if (chunk := self._chunk(payload, run_id)) is not None:
                hear(chunk)

        subscription = await self._bus.subscribe(stream_subject(run_id), hear_message)
        try:
            yield
        finally:
            await subscription.close()

    async def history(self, run_id: str) -> AsyncGenerator[Chunk, None]:
        """See `ports.TokenStreams`."""
        async with aclosing(self._kept.history(stream_subject(run_id))) as payloads:
            async for payload in payloads:
                if (chunk := self._chunk(payload, run_id)) is not None:
                    yield chunk

    def _chunk(self, payload: bytes, run_id: str) -> Chunk | None:
        try:
            message = TokenChunk.FromString(payload)
        except DecodeError:
            self._bus.dropped("chunk_malformed")
            return None
        # Different ids may share a subject, which has fewer letters than they; a run streams its first answer alone.
        if message.request_id != run_id or message.choice_index:
            return None
        return Chunk(message.candidate, message.attempt, message.offset, message.text)
