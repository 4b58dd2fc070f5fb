"""The router decides which models may answer a request, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from olo_common.settings import NatsSettings, Port, Seconds, ServiceSettings, TemporalSettings, settings_config


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
    profiles_file: Path | None = None
    """A TOML file with the operator's profiles; those with the name of a built-in one replace it."""
    default_profile: str = "default"
    """The profile of requests that name none: `default` is the order by default flag and priority, `auto` goes by the
    complexity of each prompt."""
    simple_profile: str = "budget"
    """The profile that `auto` comes to for a simple prompt."""
    complex_profile: str = "quality"
    """The profile that `auto` comes to for a complex prompt."""
    complexity_classifier: Literal["rules", "trained"] = "rules"
    """What tells simple prompts from complex ones: weights set by hand, or those trained on the labelled samples."""
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Failures in a row that open the circuit breaker of a model or an instance. Few take a model away for a hiccup."""
    breaker_window_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Failures further apart than this are not in a row."""
    breaker_open_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How long an open breaker keeps all requests away before one may try."""
    breaker_probes: Annotated[int, Field(ge=1, le=100)] = 1
    """Requests under way at once through a half-open breaker, for each router."""
    half_life_seconds: Annotated[float, Field(ge=1, le=86_400 * 30)] = 900.0
    """After this time a measured attempt counts half: short follows changes fast, long forgets little overnight."""
    store_pause_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    """Time between two reports of what was measured to the registry; a router that is killed loses what is younger."""
    backlog_pause_seconds: Annotated[float, Field(ge=0.0, le=3600)] = 2.0
    """Time between two looks at Temporal's queues of full models; 0: never, waits are told from slots alone."""
    conversation_seconds: Annotated[float, Field(ge=0, le=86_400 * 7)] = 1800.0
    """A conversation that was silent for so long may be answered by another model."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)

    @field_validator("simple_profile", "complex_profile")
    @classmethod
    def _settled(cls, value: str) -> str:
        if value == "auto":
            raise ValueError("auto must come to another profile than itself")
        return value
