"""Subjects that the NATS server keeps for a while, for whoever comes later: JetStream, as far as it is needed.

Publishers do not know of it: what is published on such a subject is kept without an answer to wait for. Where the
server has no JetStream, or no room, everything else works as before and the history is empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Final, Protocol

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from olo_common.logs import logger
from olo_common.nats_bus import NatsBus

_SECONDS: Final = 2.0
"""How long the server may take to answer."""
_TRIES: Final = 3
"""A server that has just started may not have its JetStream ready yet."""
_PAUSE_SECONDS: Final = 1.0
_BATCH: Final = 512
_OTHER_CONFIGURATION: Final = 10058
"""The server's code for a stream that exists with other limits: an operator's own are left alone."""


class KeptStream(Protocol):
    """What is kept, and how much of it. The oldest goes first."""

    @property
    def name(self) -> str:
        """The name of the stream."""

    @property
    def pattern(self) -> str:
        """The subjects that are kept."""

    @property
    def seconds(self) -> float:
        """How long a message is kept."""

    @property
    def max_bytes(self) -> int:
        """How much memory of the server all of them may take."""


class StreamKeeper:
    """Makes sure that the server keeps a stream, from each connect on; that it does not is said once."""

    def __init__(self, bus: NatsBus, stream: KeptStream) -> None:
        self._bus = bus
        self._stream = stream
        self._making: asyncio.Task[None] | None = None
        self._said = False
        bus.on_connect(self._connected)
        if bus.connected:
            self._begin()

    async def history(self, subject: str) -> AsyncGenerator[bytes, None]:
        """What was published on a subject and is still kept, oldest first. Ends early where the server is away."""
        first = 1
        while first:
            messages, first = await self._batch(subject, first)
            for message in messages:
                yield message.data

    async def _connected(self) -> None:
        self._begin()

    def _begin(self) -> None:
        # Beside the other callbacks, which have more to say.
        self._making = asyncio.create_task(self._make(), name="nats-stream")

    async def _make(self) -> None:
        config = StreamConfig(
            name=self._stream.name,
            subjects=[self._stream.pattern],
            storage=StorageType.MEMORY,
            max_age=self._stream.seconds,
            max_bytes=self._stream.max_bytes,
            discard=DiscardPolicy.OLD,
            no_ack=True,
            allow_direct=True,
        )
        problem: Exception | None = None
        for _ in range(_TRIES):
            try:
                await self._bus.client.jetstream(timeout=_SECONDS).add_stream(config)
            except BadRequestError as error:
                if error.err_code == _OTHER_CONFIGURATION:
                    return
                problem = error
            except Exception as error:
                problem = error
            else:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        if not self._said:
            self._said = True
            logger(__name__).warning("nats_stream_not_kept", stream=self._stream.name, error=type(problem).__name__)

    async def _batch(self, subject: str, first: int) -> tuple[list[Msg], int]:
        """Messages from sequence number `first` on, and where to go on; 0: there are no more."""
        client = self._bus.client
        if not client.is_connected:
            return [], 0
        replies: asyncio.Queue[Msg] = asyncio.Queue()
        inbox, messages = client.new_inbox(), list[Msg]()
        wanted = json.dumps({"seq": first, "batch": _BATCH, "next_by_subj": subject}).encode()
        # A reader that gives up or fails falls back to what it hears from now on.
        with contextlib.suppress(TimeoutError, NoRespondersError):
            async with asyncio.timeout(_SECONDS):
                subscription = await client.subscribe(inbox, cb=replies.put)
                try:
                    await client.publish(f"$JS.API.DIRECT.GET.{self._stream.name}", wanted, reply=inbox)
                    while True:
                        reply = await replies.get()
                        headers = reply.headers or {}
                        if "Status" in headers:
                            break
                        messages.append(reply)
                finally:
                    await subscription.unsubscribe()
            more = messages and headers.get("Nats-Num-Pending", "0") != "0"
            return messages, int((messages[-1].headers or {})["Nats-Sequence"]) + 1 if more else 0
        return messages, 0
