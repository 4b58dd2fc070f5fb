"""The lines of a batch: cut out of a stream, read one by one, and told apart by their custom ids."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""As large as the body of a single call."""
MAX_CUSTOM_ID: Final = 512
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line as it stands in the file, without its end."""

    number: int
    """From 1, blank lines counted."""
    offset: int
    """In bytes."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch."""

    custom_id: str
    body: Mapping[str, Any]


class LineInvalid(Exception):
    """A line that cannot be run.

    Args:
        code: A stable reason for programs.
        message: One sentence for people.
        param: The field of the line, where it is one.
    """

    def __init__(self, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


async def split(pieces: AsyncIterable[bytes]) -> AsyncGenerator[RawLine, None]:
    """The lines that are not blank. One that is too long is cut off after one byte too many, and so known as such."""
    number, offset, held, dropped = 1, 0, bytearray(), 0
    async for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            dropped += _hold(held, piece[start:end])
            if (line := _line(number, offset, held)) is not None:
                yield line
            offset += len(held) + dropped + 1
            number += 1
            held.clear()
            dropped = 0
            start = end + 1
        dropped += _hold(held, piece[start:])
    if (line := _line(number, offset, held)) is not None:
        yield line


def read(line: RawLine, endpoint: str) -> Line:
    """The request that a line holds.

    Raises:
        LineInvalid: It holds none, or one for something else than the endpoint.
    """
    if len(line.content) > MAX_LINE_BYTES:
        raise LineInvalid("line_too_long", f"a line may have at most {MAX_LINE_BYTES} bytes")
    try:
        value = orjson.loads(line.content)
    except orjson.JSONDecodeError:
        raise LineInvalid("invalid_json_line", "this line is not valid JSON") from None
    if not isinstance(value, dict):
        raise LineInvalid("invalid_json_line", "this line is not a JSON object")
    custom_id = value.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MAX_CUSTOM_ID:
        raise LineInvalid("invalid_custom_id", f"custom_id must be a text of 1 to {MAX_CUSTOM_ID}", "custom_id")
    if value.get("method") != "POST":
        raise LineInvalid("invalid_method", "method must be POST", "method")
    if value.get("url") != endpoint:
        raise LineInvalid("mismatched_endpoint", f"url must be {endpoint}, the endpoint of the batch", "url")
    body = value.get("body")
    if not isinstance(body, dict):
        raise LineInvalid("invalid_body", "body must be a JSON object", "body")
    if body.get("stream"):
        raise LineInvalid("invalid_body", "a line of a batch cannot be streamed", "body.stream")
    return Line(custom_id, body)


def custom_id_of(line: RawLine) -> str:
    """The custom id of a line that was found to be sound."""
    return str(orjson.loads(line.content)["custom_id"])


def _hold(held: bytearray, part: bytes) -> int:
    """Adds a part of a line; gives how many bytes were dropped, since the line was seen to be too long."""
    room = max(0, MAX_LINE_BYTES + 1 - len(held))
    held += part[:room]
    return max(0, len(part) - room)


def _line(number: int, offset: int, held: bytearray) -> RawLine | None:
    content = bytes(held)
    if number == 1 and content.startswith(_BOM):
        content, offset = content.removeprefix(_BOM), len(_BOM)
    stripped = content.strip(b" \t\r")
    return RawLine(number, offset, content) if stripped else None
