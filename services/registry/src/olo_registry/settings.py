"""The registry keeps the catalogue of models and the leases of the instances that serve them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from olo_common.base_settings import FROM_FILE
from olo_common.described import Described
from olo_common.settings import NatsSettings, Port, ServiceSettings, TemporalSettings, settings_config

Hours = Annotated[float, Field(ge=0.01, le=8760)]


class BenchmarkSettings(Described, BaseSettings):
    """What others publish about models. Nothing is fetched unless it is asked for."""

    model_config = settings_config("OLO_BENCHMARKS_")

    enabled: bool = False
    """Fetch prices, ratings and facts from the sources below. Their servers learn that this registry exists, and
    Hugging Face which models it has. What was fetched once stays in use when this is turned off."""
    openrouter_url: str = "https://openrouter.ai/api/v1/models"
    """Prices and context windows: http, https or file; empty: not asked."""
    openrouter_hours: Hours = 1.0
    """Time between two fetches of the prices."""
    lmarena_url: str = ""
    """Ratings, a CSV or JSON table: http, https or file; empty: not asked. LMArena has no stable address of its own."""
    lmarena_hours: Hours = 24.0
    """Time between two fetches of the ratings."""
    hugging_face_url: str = "https://huggingface.co"
    """Licence, size and context window: http or https; empty: not asked."""
    hugging_face_hours: Hours = 24.0
    """Time between two fetches of these."""

    @field_validator("openrouter_url", "lmarena_url")
    @classmethod
    def _document(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://", "file:///")):
            raise ValueError("must begin with http://, https:// or file:///")
        return value

    @field_validator("hugging_face_url")
    @classmethod
    def _server(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value


class RegistrySettings(ServiceSettings):
    """What the registry can be told."""

    model_config = settings_config("OLO_REGISTRY_")

    port: Port = 50052
    """The gRPC port; 0 takes a free one."""
    database_url: Annotated[str, FROM_FILE] = "sqlite:///.olo/registry.db"
    """Where the catalogue is kept: an SQLite file, made with its directory, or a Postgres database
    (postgresql://<user>@<host>/<database>, with `?sslmode=verify-full` and the like). Losing it loses the operator's
    policy, not the models: they announce themselves again."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=600)] = 6.0
    """An instance silent for so long is gone. Under three heartbeats loses live ones, more keeps dead ones."""
    max_announced_priority: Annotated[int, Field(ge=0, le=1000)] = 1000
    """Workers that wish for a higher priority than this get this one; an operator may still set more."""
    max_instances: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Registrations beyond this number of live instances are refused."""
    quarantine_starts: Annotated[int, Field(ge=2, le=1000)] = 5
    """An address that begins so many leases of one model within a minute is not chosen until it has stayed for a
    minute, while the model has other instances. Fewer sets aside what was only restarted a few times."""
    benchmarks: BenchmarkSettings = Field(default_factory=BenchmarkSettings)
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)
    nats: NatsSettings = Field(default_factory=NatsSettings)
