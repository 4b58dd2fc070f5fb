"""Server-sent events out of bytes, however these are cut.

After https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from olo_llm_worker.upstream.errors import UpstreamBroken

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `name` is empty where none was given."""

    name: str
    data: str


class SseParser:
    """Takes bytes, gives the events that are complete. What follows the last blank line is never given."""

    def __init__(self) -> None:
        self._pending = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Event]:
        """Takes the next bytes.

        Raises:
            UpstreamBroken: An event is larger than it may be, or not UTF-8.
        """
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        self._size += len(data)
        events: list[Event] = []
        for line in lines:
            self._take(line.removesuffix(b"\r"), events)
        if self._size > MAX_EVENT_BYTES:
            raise UpstreamBroken("the server of the model sends an event that is too large")
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data:
                events.append(Event(self._name, "\n".join(self._data)))
            self._name, self._data, self._size = "", [], len(self._pending)
            return
        try:
            field, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise UpstreamBroken("the server of the model sends bytes that are no text") from None
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
