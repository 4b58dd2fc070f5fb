"""Ids of server-sent events: how far the answer had come. A client that reconnects gives back the last one it saw."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from fastapi import Header

from olo_common.errors import InvalidField
from olo_gateway.streaming.events import ResumePoint

LAST_EVENT_ID: Final = "Last-Event-ID"

LastEventId: TypeAlias = Annotated[
    str | None, Header(description="The id of the last event that was seen: the stream goes on after it.")
]

_SPELLING: Final = re.compile(r"(\d{1,12})-([0-9a-f]{8})")


def event_id(offset: int, checksum: int) -> bytes:
    """The line of the id: how many bytes of the answer there are, and their CRC-32."""
    return b"id: %d-%08x\n" % (offset, checksum)


def point_of(last_event_id: str | None) -> ResumePoint | None:
    """How far the client has come.

    Raises:
        InvalidField: The id is none of ours.
    """
    if last_event_id is None:
        return None
    matched = _SPELLING.fullmatch(last_event_id)
    if matched is None:
        raise InvalidField(LAST_EVENT_ID, "is no id of an event of this stream")
    return ResumePoint(int(matched[1]), int(matched[2], 16), LAST_EVENT_ID)
