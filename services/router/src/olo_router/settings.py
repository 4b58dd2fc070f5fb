"""The router decides which models may answer a request, and in which order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from olo_common.settings import NatsSettings, Port, Seconds, ServiceSettings, settings_config


class RouterSettings(ServiceSettings):
    """What the router can be told."""

    model_config = settings_config("OLO_ROUTER_")

    port: Port = 50053
    """The gRPC port; 0 takes a free one."""
    registry_target: str = "127.0.0.1:50052"
    """Host and port of the registry. It may be away, at start too: until its first answer nothing is chosen."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=600)] = 6.0
    """An instance that was silent for so long is not chosen; the same as the registry's."""
    max_snapshot_age_seconds: Seconds = 300.0
    """Without the registry for so long, nothing is chosen: the operator's policy may have changed meanwhile."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
