"""A run's events as chunks of a dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import Alternative
from olo_common.errors import OloError
from olo_common.logs import logger
from olo_gateway.convert import phase_name
from olo_gateway.following import ChatEvent, Completed, Progress, Started
from olo_gateway.http.answers import (
    RUN_ID_HEADER,
    answers_of,
    calls_of,
    completion_id,
    details_of,
    finish_reason_of,
    logprobs_of,
    usage_of,
)
from olo_gateway.http.errors import Dialect, error_body, internal
from olo_gateway.http.event_ids import event_id
from olo_gateway.http.hang_up import EVENT_STREAM, EventStream
from olo_gateway.http.rag import annotations_of
from olo_gateway.streaming.events import Delta, Reset
from olo_gateway.streaming.silences import with_silences

KEEP_ALIVE: Final = b": keep-alive\n\n"
DONE: Final = b"data: [DONE]\n\n"


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
    media_type: str = field(default=EVENT_STREAM, init=False)
    keep_alive: bytes = field(default=KEEP_ALIVE, init=False)
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
                chunks = self._role()
                for number, answer in enumerate(answers_of(response)):
                    chunks += self._answer(number, answer, response)
                if self.include_usage:
                    chunks.append(self._data(choices=[], usage=usage_of(response.usage).model_dump()))
                return chunks

    def _answer(self, number: int, answer: Alternative, response: ChatResponse) -> list[bytes]:
        """How an answer ends. Of the further ones nothing was said before: they are given whole."""
        chunks = []
        if number:
            chunks.append(self._chunk({"role": "assistant", "content": answer.text}, number))
        for position, call in enumerate(calls_of(answer)):
            chunks.append(self._chunk({"tool_calls": [{"index": position, **call.model_dump()}]}, number))
        logprobs = logprobs_of(answer)
        annotations = [] if number else [annotation.model_dump() for annotation in annotations_of(response)]
        last = self._chunk(
            {"annotations": annotations} if annotations else {},
            number,
            finish_reason=finish_reason_of(answer.finish_reason),
            logprobs=logprobs and logprobs.model_dump(),
            **({} if number else {"olo": details_of(response).model_dump()}),
        )
        return [*chunks, last]

    def _role(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        return [self._chunk({"role": "assistant", "content": ""})]

    def _chunk(
        self,
        delta: dict[str, Any],
        index: int = 0,
        finish_reason: str | None = None,
        logprobs: Any = None,
        **extra: Any,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
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

    def failed(self, error: OloError) -> list[bytes]:
        """The last event of a stream that has broken."""
        return [b"data: " + orjson.dumps(error_body(Dialect.OPENAI, error)) + b"\n\n", DONE]

    def ended(self) -> list[bytes]:
        """The end mark."""
        return [DONE]


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
