"""The assembler: the deltas since the last reset, joined, are what it believes so far, and at the end the answer.

Chunks come from the attempts of a run, possibly late, twice, out of order, or never. Only the newest attempt counts. It
begins at offset 0 again, so that what it repeats of the text already shown is swallowed; where it differs, the answer
is reset. What is still missing at the end is taken from the run's result.
"""

from __future__ import annotations

from typing import Final

from olo_gateway.streaming.events import Chunk, Delta, Reset, StreamEvent

NEXT_ATTEMPT: Final = "next_attempt"
NEXT_MODEL: Final = "next_model"
REPAIRED: Final = "repaired"

_MAX_WAITING: Final = 4096
"""Chunks that may wait behind a gap; the result repairs what does not fit."""


class StreamAssembler:
    """Assembles one answer; not shared."""

    def __init__(self) -> None:
        self._shown = bytearray()
        self._shown_candidate = 0
        self._attempt = (0, 0)
        self._position = 0
        """How far the newest attempt is known without a gap. Behind it, attempt and shown text are equal."""
        self._waiting: dict[int, str] = {}

    def add(self, chunk: Chunk) -> list[StreamEvent]:
        """Takes a chunk; gives what the caller is to be told."""
        attempt = (chunk.candidate, chunk.attempt)
        if attempt < self._attempt or not chunk.text:
            return []
        if attempt > self._attempt:
            self._attempt, self._position = attempt, 0
            self._waiting.clear()
        if chunk.offset > self._position:
            if len(self._waiting) < _MAX_WAITING:
                self._waiting.setdefault(chunk.offset, chunk.text)
            return []
        if chunk.offset < self._position:
            return []
        events = self._advance(chunk.text)
        while (text := self._waiting.pop(self._position, None)) is not None:
            events += self._advance(text)
        return events

    def finish(self, answer: str) -> list[StreamEvent]:
        """Takes the whole answer; gives what is missing of it, after a reset where something else was shown."""
        whole = answer.encode()
        if whole.startswith(self._shown):
            return self._show(whole[len(self._shown) :])
        self._shown.clear()
        return [Reset(REPAIRED), *self._show(whole)]

    def _advance(self, text: str) -> list[StreamEvent]:
        new = text.encode()
        shown = bytes(self._shown[self._position : self._position + len(new)])
        if not new.startswith(shown):
            known = bytes(self._shown[: self._position])
            reason = NEXT_MODEL if self._attempt[0] != self._shown_candidate else NEXT_ATTEMPT
            self._shown.clear()
            self._position += len(new)
            return [Reset(reason), *self._show(known + new)]
        self._position += len(new)
        return self._show(new[len(shown) :])

    def _show(self, text: bytes) -> list[StreamEvent]:
        if not text:
            return []
        delta = Delta(text.decode(), len(self._shown))
        self._shown += text
        self._shown_candidate = self._attempt[0]
        return [delta]
