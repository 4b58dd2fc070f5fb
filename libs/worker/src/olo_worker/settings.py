"""What a model worker can be told, beside what every service can."""

from __future__ import annotations

import socket
import uuid
from typing import Annotated

from pydantic import Field, field_validator

from olo_common.settings import NatsSettings, Seconds, ServiceSettings, TemporalSettings
from olo_contracts.identifiers import MODEL_ID, is_valid


class WorkerSettings(ServiceSettings):
    """Settings of a process that serves one model. Subclasses set prefix and port."""

    model_id: str
    """Name under which callers ask for the model, and which its instances share."""
    model_name: str = ""
    """Name for people; empty: the model id."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    """Wish for the place in the order of choice, higher first; the operator's policy in the registry wins."""
    default_flag: bool = False
    """Wish to be chosen when the caller names no model; the operator's policy in the registry wins."""
    max_concurrency: Annotated[int, Field(ge=1, le=1024)] = 4
    """Requests that run at the same time: the slots of the Temporal worker."""
    instance_id: str = Field(default_factory=lambda: f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}")
    """Identity of this process; no two alive at the same time may share it."""
    advertised_address: str = ""
    """Host and port under which other services reach this one; empty: the address that it is bound to."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What callers may ask of the place that answers, such as {"zone": "a"}, as JSON."""
    heartbeat_seconds: Seconds = 2.0
    """Time between two heartbeats; the registry's lease should be three of them."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)

    @field_validator("model_id")
    @classmethod
    def _spelling(cls, value: str) -> str:
        if not is_valid(MODEL_ID, value):
            raise ValueError("1 to 128 letters, digits and ._:/- are allowed, beginning with a letter or digit")
        return value
