"""A run's events as chunks of the dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_gateway.convert import phase_name
from olo_gateway.following import ChatEvent, Completed, Progress, Started
from olo_gateway.http.answers import completion_id, details_of, finish_reason_of, usage_of
from olo_gateway.http.errors import answer_of
from olo_gateway.http.event_ids import event_id
from olo_gateway.http.hang_up import EventStream
from olo_gateway.http.rag import annotations_of
from olo_gateway.streaming.events import Delta, Reset
from olo_gateway.streaming.silences import with_silences

KEEP_ALIVE: Final = b": keep-alive\n\n"
DONE: Final = b"data: [DONE]\n\n"
RUN_ID_HEADER: Final = "x-olo-run-id"


@dataclass(frozen=True, slots=True)
class StreamPace:
    """How long a stream may be silent, and its client deaf, in seconds."""

    keep_alive: float
    client_patience: float


@dataclass
class ChunkEncoder:
    """Encodes the events of one run.

    Args:
        model: What the caller has asked for; the model that answers is known at the end.
        include_usage: Whether the caller wants the usage.
    """

    model: str
    include_usage: bool
    run_id: str = field(default="", init=False)
    _created: int = field(default=0, init=False)
    _begun: bool = field(default=False, init=False)

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The chunks of one event."""
        match event:
            case Started(run_id, created):
                self.run_id, self._created = run_id, created
                return []
            case Progress(progress):
                # A comment: clients of the dialect know no such event.
                return [f": {phase_name(progress.phase)}\n\n".encode()]
            case Delta(text, offset, checksum):
                place = event_id(offset + len(text.encode()), checksum)
                return [*self._role(), place + self._chunk({"content": text})]
            case Reset(reason):
                return [event_id(0, 0) + self._chunk({}, olo={"reset": reason})]
            case Completed(response):
                self.model = response.model
                reason = finish_reason_of(response.finish_reason)
                olo = details_of(response).model_dump()
                annotations = [annotation.model_dump() for annotation in annotations_of(response)]
                delta = {"annotations": annotations} if annotations else {}
                chunks = [*self._role(), self._chunk(delta, finish_reason=reason, olo=olo)]
                if self.include_usage:
                    chunks.append(self._data(choices=[], usage=usage_of(response.usage).model_dump()))
                return chunks

    def _role(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        return [self._chunk({"role": "assistant", "content": ""})]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        if self.include_usage:
            extra["usage"] = None
        return self._data(choices=[choice], **extra)

    def _data(self, **fields: Any) -> bytes:
        chunk = {
            "id": completion_id(self.run_id),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self.model,
            **fields,
        }
        return b"data: " + orjson.dumps(chunk) + b"\n\n"


async def streamed(told: AsyncGenerator[ChatEvent, None], encoder: ChunkEncoder, pace: StreamPace) -> EventStream:
    """The response to a streaming call, once there is a first piece of the answer, or a silence.

    Raises:
        OloError: What happened instead: until then an error has a status of its own.
    """
    events = with_silences(told, pace.keep_alive)
    first: ChatEvent | None = None
    try:
        while not encoder.run_id or isinstance(first, Started):
            first = await anext(events)
            if isinstance(first, Started):
                encoder.encode(first)
    except BaseException:
        await events.aclose()
        raise
    return EventStream(sse(first, events, encoder), {RUN_ID_HEADER: encoder.run_id}, pace.client_patience)


async def sse(
    first: ChatEvent | None, events: AsyncGenerator[ChatEvent | None, None], encoder: ChunkEncoder
) -> AsyncGenerator[bytes, None]:
    """The body of a streamed answer: `first`, then the rest, then the end mark. None is a silence.

    The status line is out by now, so that an error is told as a last event.
    """
    async with aclosing(events):
        try:
            for chunk in _encoded(first, encoder):
                yield chunk
            async for event in events:
                for chunk in _encoded(event, encoder):
                    yield chunk
        except OloError as error:
            logger(__name__).info("stream_failed", run_id=encoder.run_id, reason=error.reason)
            yield b"data: " + orjson.dumps(answer_of(error).model_dump()) + b"\n\n"
        except Exception as error:
            logger(__name__).error("stream_crashed", run_id=encoder.run_id, exc_info=error)
            internal = OloError("internal error; the log of the service has the details")
            yield b"data: " + orjson.dumps(answer_of(internal).model_dump()) + b"\n\n"
        yield DONE


def _encoded(event: ChatEvent | None, encoder: ChunkEncoder) -> list[bytes]:
    return [KEEP_ALIVE] if event is None else encoder.encode(event)
