"""The registry keeps the catalogue of models and the leases of the instances that serve them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from olo_common.settings import NatsSettings, Port, ServiceSettings, settings_config


class RegistrySettings(ServiceSettings):
    """What the registry can be told."""

    model_config = settings_config("OLO_REGISTRY_")

    port: Port = 50052
    """The gRPC port; 0 takes a free one."""
    database_url: str = "sqlite+aiosqlite:///.olo/registry.db"
    """Where the catalogue is kept: sqlite+aiosqlite:///<file> for one machine, postgresql+asyncpg://<user>@<host>/<database>
    for a cluster. Losing it loses the operator's policy, not the models: they announce themselves again."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=600)] = 6.0
    """An instance silent for so long is gone. Under three heartbeats loses live ones, more keeps dead ones."""
    max_announced_priority: Annotated[int, Field(ge=0, le=1000)] = 1000
    """Workers that wish for a higher priority than this get this one; an operator may still set more."""
    max_instances: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Registrations beyond this number of live instances are refused."""
    nats: NatsSettings = Field(default_factory=NatsSettings)

    @field_validator("database_url")
    @classmethod
    def _driver(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite:", "postgresql+asyncpg:")):
            raise ValueError("must begin with sqlite+aiosqlite: or postgresql+asyncpg:")
        return value
