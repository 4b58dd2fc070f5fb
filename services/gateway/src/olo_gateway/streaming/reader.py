"""A reader of an answer: a cursor into its text, so that a slow reader costs no memory and holds nobody up.

Whatever has come since the reader took last is one delta.
"""

from __future__ import annotations

import zlib
from typing import Final

from olo_gateway.errors import OffsetInvalid
from olo_gateway.streaming.assembler import Assembler
from olo_gateway.streaming.events import Delta, Reset, ResumePoint, StreamEvent

REPLACED: Final = "replaced"
"""The reason of a reset where what the reader had before is not known here any more."""

CONTINUATION: Final = range(0x80, 0xC0)
"""Bytes of UTF-8 inside a character."""


class Reader:
    """Reads one answer. The deltas since the last reset, joined, are what it is so far, and at the end all of it.

    Args:
        source: The answer.
        point: How far the reader has come elsewhere. Nothing is given until it is known whether the answer still begins
            with what the reader has; where it does not, a reset comes first.
    """

    def __init__(self, source: Assembler, point: ResumePoint | None = None) -> None:
        self._source = source
        self._point = point if point is not None and point.offset else None
        self._resets = source.resets
        self._offset = 0
        self._checksum = 0

    def take(self) -> list[StreamEvent]:
        """What is new.

        Raises:
            OffsetInvalid: The point to resume from is none of this answer.
        """
        events: list[StreamEvent] = []
        if self._point is not None:
            resumed = self._resume(self._point)
            if resumed is None:
                return []
            self._point, self._resets = None, self._source.resets
            events += resumed
        elif self._resets != self._source.resets:
            self._resets, self._offset, self._checksum = self._source.resets, 0, 0
            events.append(Reset(self._source.reset_reason))
        piece = bytes(self._source.text[self._offset :])
        if piece:
            self._checksum = zlib.crc32(piece, self._checksum)
            events.append(Delta(piece.decode(), self._offset, self._checksum))
            self._offset += len(piece)
        return events

    def _resume(self, point: ResumePoint) -> list[StreamEvent] | None:
        """Goes to the point, or begins again with a reset; None: that cannot be said yet."""
        source, offset = self._source, point.offset
        if offset <= len(source.text):
            checksum = zlib.crc32(source.text[:offset])
            if point.checksum is not None and point.checksum != checksum:
                return [Reset(source.reset_reason or REPLACED)]
            if offset < len(source.text) and source.text[offset] in CONTINUATION:
                raise OffsetInvalid(point.field)
            self._offset, self._checksum = offset, checksum
            return []
        if source.several_attempts and source.gap is None:
            # Another attempt got further, and its text is void; or it is not, and a reset costs a repetition.
            return [Reset(source.reset_reason or REPLACED)]
        if source.complete:
            raise OffsetInvalid(point.field)
        return None
