"""Lengths of time in messages."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration


def duration_of(delta: timedelta) -> Duration:
    """A duration message."""
    message = Duration()
    message.FromTimedelta(delta)
    return message


def seconds_of(duration: Duration) -> float:
    """Seconds, of any duration that the wire can carry."""
    return duration.seconds + duration.nanos / 1e9
