"""Makes one sound stream out of one that may break, repeat or lose pieces."""

from __future__ import annotations

from collections.abc import Iterator

from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse, RunStarted, TextDelta, TextReset


class StreamRepair:
    """Passes events on so that the deltas after the last reset always add up to the text of `completed`.

    A stream that was opened again repeats its events: what is known already is left out. A gap holds the deltas back
    until the finished answer closes it. An answer that turns out to be another one begins with a reset.
    """

    def __init__(self) -> None:
        self._text = b""
        self._started = False
        self.completed = False

    def feed(self, event: ChatStreamResponse) -> Iterator[ChatStreamResponse]:
        """The events to pass on for an event that has arrived."""
        kind = event.WhichOneof("event")
        if kind == "started":
            yield from self._start(event.started)
        elif kind == "progress":
            yield event
        elif kind == "delta":
            yield from self._advance(event.delta.text.encode(), event.delta.offset)
        elif kind == "reset":
            yield from self._reset(event.reset.reason)
        elif kind == "completed":
            final = event.completed.message.content.encode()
            if not final.startswith(self._text):
                yield from self._reset("another answer")
            yield from self._advance(final, 0)
            self.completed = True
            yield event

    def _start(self, started: RunStarted) -> Iterator[ChatStreamResponse]:
        if not self._started:
            self._started = True
            yield ChatStreamResponse(started=started)

    def _reset(self, reason: str) -> Iterator[ChatStreamResponse]:
        if self._text:
            self._text = b""
            yield ChatStreamResponse(reset=TextReset(reason=reason))

    def _advance(self, piece: bytes, offset: int) -> Iterator[ChatStreamResponse]:
        known = self._text[offset : offset + len(piece)]
        if not piece.startswith(known):
            yield from self._reset("another answer")
        at = len(self._text)
        if offset > at or offset + len(piece) <= at:
            return
        # Known text and pieces both end between characters, so the rest begins at one.
        rest = piece[at - offset :]
        self._text += rest
        yield ChatStreamResponse(delta=TextDelta(text=rest.decode(), offset=at))
