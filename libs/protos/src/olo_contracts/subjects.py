"""NATS subjects: `olo.<service>.v1.<entity>.<past-tense>[.<id>]`, built from the type of the event alone.

The table below is the only place where a subject is written down. Ids become one token each: what is not a letter, a
digit, `_` or `-` is replaced by `_`, so that no id can widen a subject or a subscription.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import olo_events

Event: TypeAlias = (
    olo_events.InstanceAnnounced
    | olo_events.InstanceHeartbeat
    | olo_events.InstanceLeft
    | olo_events.InstancesRequested
    | olo_events.InstanceDrainRequested
    | olo_events.ModelChanged
    | olo_events.AttemptFinished
)

_TABLE: Final[dict[type[Event], tuple[str, str | None]]] = {
    olo_events.InstanceAnnounced: ("olo.registry.v1.instance.announced", "instance_id"),
    olo_events.InstanceHeartbeat: ("olo.registry.v1.instance.heartbeat", "instance_id"),
    olo_events.InstanceLeft: ("olo.registry.v1.instance.left", "instance_id"),
    olo_events.InstancesRequested: ("olo.registry.v1.instance.requested", None),
    olo_events.InstanceDrainRequested: ("olo.registry.v1.drain.requested", "instance_id"),
    olo_events.ModelChanged: ("olo.registry.v1.model.changed", "model_id"),
    olo_events.AttemptFinished: ("olo.llm-worker.v1.attempt.finished", "model_id"),
}

_NOT_A_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")

STREAM_PREFIX: Final = "olo.stream.v1"


def token(identifier: str) -> str:
    """An identifier as one subject token."""
    return _NOT_A_TOKEN.sub("_", identifier) or "_"


def subject_of(event: Event) -> str:
    """The subject on which this event is published."""
    prefix, id_field = _TABLE[type(event)]
    return prefix if id_field is None else f"{prefix}.{token(getattr(event, id_field))}"


def pattern_of(event_type: type[Event]) -> str:
    """The subject pattern that matches every event of this type."""
    prefix, id_field = _TABLE[event_type]
    return prefix if id_field is None else f"{prefix}.*"


def stream_subject(request_id: str) -> str:
    """The subject of the token chunks of one request."""
    return f"{STREAM_PREFIX}.{token(request_id)}"
