"""A run's events as the body of a streamed answer, whatever its dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_gateway.calls.following import ChatEvent, Started
from olo_gateway.http.answers import RUN_ID_HEADER
from olo_gateway.http.errors import internal
from olo_gateway.http.hang_up import EventStream
from olo_gateway.streaming.silences import with_silences


def comment(words: str) -> bytes:
    """A comment in a stream of server-sent events.

    No blank line ends it: that would end an event, and clients that keep the last id, as OpenAI's does, would take what
    ended for one without data.
    """
    return f": {words}\n".encode()


KEEP_ALIVE: Final = comment("keep-alive")


@dataclass(frozen=True, slots=True)
class StreamPace:
    """How long a stream may be silent, and its client deaf, in seconds."""

    keep_alive: float
    client_patience: float


class Encoder(Protocol):
    """Writes the events of one run as a dialect streams them."""

    run_id: str
    """Empty until `Started` was encoded."""
    media_type: str
    keep_alive: bytes
    """Fills a silence."""

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The pieces of the body for one event. Those of `Started` go out with what comes after it."""
        ...

    def failed(self, error: OloError) -> list[bytes]:
        """How a stream ends that has begun and cannot go on."""
        ...

    def ended(self) -> list[bytes]:
        """How a stream ends that is complete."""
        ...


async def streamed(
    told: AsyncGenerator[ChatEvent, None], encoder: Encoder, pace: StreamPace, *, at_once: bool = False
) -> EventStream:
    """The response to a streaming call, once there is a first piece of the answer, or a silence; or once it has begun.

    Args:
        told: The events of a run.
        encoder: How they are written.
        pace: What is waited for.
        at_once: Begin as soon as the run is known, so that whatever becomes of it is told by events.

    Raises:
        OloError: What happened instead: until then an error has a status of its own.
    """
    events = with_silences(told, pace.keep_alive)
    begun: list[bytes] = []
    first: list[bytes] = []
    try:
        async for event in events:
            if isinstance(event, Started):
                begun = encoder.encode(event)
            else:
                first = _encoded(event, encoder)
            if encoder.run_id and (first or at_once):
                break
    except BaseException:
        await events.aclose()
        raise
    headers = {RUN_ID_HEADER: encoder.run_id}
    return EventStream(
        written([*begun, *first], events, encoder), headers, pace.client_patience, media_type=encoder.media_type
    )


async def written(
    first: list[bytes], events: AsyncGenerator[ChatEvent | None, None], encoder: Encoder
) -> AsyncGenerator[bytes, None]:
    """The body of a streamed answer: `first`, then the rest, then the end mark. None is a silence.

    The status line is out by now, so that an error is told as a last event.
    """
    async with aclosing(events):
        try:
            for chunk in first:
                yield chunk
            async for event in events:
                for chunk in _encoded(event, encoder):
                    yield chunk
            last = encoder.ended()
        except OloError as error:
            logger(__name__).info("stream_failed", run_id=encoder.run_id, reason=error.reason)
            last = encoder.failed(error)
        except Exception as error:
            logger(__name__).error("stream_crashed", run_id=encoder.run_id, exc_info=error)
            last = encoder.failed(internal())
        for chunk in last:
            yield chunk


def _encoded(event: ChatEvent | None, encoder: Encoder) -> list[bytes]:
    return [encoder.keep_alive] if event is None else encoder.encode(event)
