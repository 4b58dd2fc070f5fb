"""The registry keeps the catalogue of models and the leases of the instances that serve them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from olo_common.settings import NatsSettings, Port, ServiceSettings, settings_config


class RegistrySettings(ServiceSettings):
    """What the registry can be told."""

    model_config = settings_config("OLO_REGISTRY_")

    port: Port = 50052
    """The gRPC port; 0 takes a free one."""
    database_url: str = "sqlite:///.olo/registry.db"
    """Where the catalogue is kept: an SQLite file, made with its directory, or a Postgres database
    (postgresql://<user>@<host>/<database>). Losing it loses the operator's policy, not the models: they announce
    themselves again."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=600)] = 6.0
    """An instance silent for so long is gone. Under three heartbeats loses live ones, more keeps dead ones."""
    max_announced_priority: Annotated[int, Field(ge=0, le=1000)] = 1000
    """Workers that wish for a higher priority than this get this one; an operator may still set more."""
    max_instances: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Registrations beyond this number of live instances are refused."""
    quarantine_starts: Annotated[int, Field(ge=2, le=1000)] = 5
    """An address that begins so many leases of one model within a minute is not chosen until it has stayed for a
    minute, while the model has other instances. Fewer sets aside what was only restarted a few times."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
