"""The assembler: one answer out of chunks, in one buffer from which readers take at their own pace.

Chunks come from the attempts of a run, possibly late, twice, out of order, or never. Only the newest attempt counts. It
begins at offset 0 again, so that what it repeats of the text already there is swallowed; where it differs, the answer
is reset. What is still missing at the end is taken from the run's result.
"""

from __future__ import annotations

from typing import Final

from olo_gateway.streaming.events import Chunk

NEXT_ATTEMPT: Final = "next_attempt"
NEXT_MODEL: Final = "next_model"
REPAIRED: Final = "repaired"

MAX_BYTES: Final = 4 * 1024 * 1024
"""Text that is held, and chunks that wait behind a gap, at most; the result repairs what does not fit."""


class Assembler:
    """Assembles one answer."""

    def __init__(self) -> None:
        self.text = bytearray()
        """The answer as far as it is known, in UTF-8; it ends between characters."""
        self.resets = 0
        """How often the answer has started again."""
        self.reset_reason = ""
        """Why it did so last."""
        self.complete = False
        """Whether the text is the answer of the run."""
        self._text_candidate = 0
        self._attempt = (0, 0)
        self._position = 0
        """How far the newest attempt is known without a gap. Behind it, attempt and text are equal."""
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0
        self._several_attempts = False

    @property
    def gap(self) -> tuple[tuple[int, int], int] | None:
        """Where chunks are missing before others that are there: attempt and offset."""
        return (self._attempt, self._position) if self._waiting else None

    @property
    def several_attempts(self) -> bool:
        """Whether the run is known to have begun its answer more than once."""
        return self._several_attempts or self.resets > 0 or self._attempt > (1, 1)

    def add(self, chunk: Chunk) -> None:
        """Takes a chunk."""
        attempt = (chunk.candidate, chunk.attempt)
        if attempt < self._attempt or not chunk.text or self.complete:
            return
        if attempt > self._attempt:
            self._attempt, self._position = attempt, 0
            self._waiting.clear()
            self._waiting_bytes = 0
        new = chunk.text.encode()
        if chunk.offset > self._position:
            self._keep(chunk.offset, new)
        elif chunk.offset == self._position:
            self._advance(new)
            while (waiting := self._waiting.pop(self._position, None)) is not None:
                self._waiting_bytes -= len(waiting)
                self._advance(waiting)

    def finish(self, answer: str, *, several_attempts: bool = False) -> None:
        """Takes the whole answer, and whether it was begun more than once."""
        whole = answer.encode()
        if whole.startswith(self.text):
            self.text += whole[len(self.text) :]
        else:
            self._reset(REPAIRED, whole)
        self.complete = True
        self._several_attempts = several_attempts
        self._waiting.clear()

    def _keep(self, offset: int, text: bytes) -> None:
        if offset not in self._waiting and self._waiting_bytes + len(text) <= MAX_BYTES:
            self._waiting[offset] = text
            self._waiting_bytes += len(text)

    def _advance(self, new: bytes) -> None:
        if self._position + len(new) > MAX_BYTES:
            return
        known = bytes(self.text[self._position : self._position + len(new)])
        if new.startswith(known):
            self.text += new[len(known) :]
            self._text_candidate = self._attempt[0] if len(new) > len(known) else self._text_candidate
        else:
            reason = NEXT_MODEL if self._attempt[0] != self._text_candidate else NEXT_ATTEMPT
            self._reset(reason, bytes(self.text[: self._position]) + new)
        self._position += len(new)

    def _reset(self, reason: str, text: bytes) -> None:
        self.text[:] = text
        self.resets += 1
        self.reset_reason = reason
        self._text_candidate = self._attempt[0]
