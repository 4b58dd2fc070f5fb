"""What goes over the socket between the worker and its engine process: frames, one after the other.

A frame is its kind, the length of what follows, and that. Nothing that comes out of it can be more than numbers and
text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from olo_llm_worker.adapters.frames import (
    Began,
    Check,
    Checked,
    Done,
    Frame,
    Load,
    Ping,
    Pong,
    Ready,
    Refused,
    Start,
    Stop,
    Tokens,
    WireError,
)

MAX_FRAME: Final = 256 * 1024 * 1024
_HEAD = struct.Struct("=BI")
_KINDS: Final[dict[int, type[Frame]]] = {
    kind.kind: kind for kind in (Load, Ready, Refused, Start, Stop, Began, Tokens, Done, Check, Checked, Ping, Pong)
}


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    body = frame.pack()
    return _HEAD.pack(frame.kind, len(body)) + body


class Decoder:
    """Gives frames out of bytes that come cut anyhow."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Takes the next bytes; gives the frames that are complete.

        Raises:
            WireError: They are none.
        """
        self._data += data
        begin = 0
        try:
            while len(self._data) - begin >= _HEAD.size:
                kind, length = _HEAD.unpack_from(self._data, begin)
                if kind not in _KINDS or length > MAX_FRAME:
                    raise WireError("there is no such frame")
                end = begin + _HEAD.size + length
                if len(self._data) < end:
                    break
                body = bytes(self._data[begin + _HEAD.size : end])
                begin = end
                yield _unpacked(kind, body)
        finally:
            del self._data[:begin]


def _unpacked(kind: int, body: bytes) -> Frame:
    try:
        return _KINDS[kind].unpack(body)
    except (struct.error, ValueError, TypeError) as error:
        raise WireError("a frame is not as it should be") from error
