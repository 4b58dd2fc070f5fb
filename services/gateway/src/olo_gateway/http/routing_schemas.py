"""The shapes of rankings and status."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from olo_common.described import Described
from olo_gateway.http.details_schemas import Rejection, ScoreComponent


class _Answer(Described, BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class RankedModel(_Answer):
    rank: int
    model_id: str
    score: float
    components: list[ScoreComponent]


class Rankings(_Answer):
    profile: str
    models: list[RankedModel]
    """Best first, whatever their load."""
    rejections: list[Rejection]
    """Models that may not answer now."""
    snapshot_version: int
    snapshot_age: float
    """Seconds that the registry has been away."""


class InstanceStatus(_Answer):
    instance_id: str
    model_id: str
    state: str
    """`ready`, `draining`, `quarantined`, `broken`, `silent` or `left`."""
    max_concurrency: int
    in_flight: int
    silence: float
    """Seconds since it was last heard."""


class BreakerStatus(_Answer):
    model_id: str
    instance_id: str | None
    """None: the breaker of the whole model."""
    state: str
    """`closed`, `open` or `half_open`."""
    failures: int
    open_for: float
    """Seconds until it is half open."""
    last_failure: str


class ProfileWeights(_Answer):
    name: str
    quality: float
    latency: float
    cost: float
    context: float


class SyncStatus(_Answer):
    source: str
    records: int
    age: float | None
    """Seconds since the records were fetched; None: never."""
    problem: str
    """Why the last attempt brought nothing; the records are served on."""


class RoutingStatus(_Answer):
    serving: bool
    detail: str
    """Why the router decides nothing; empty where it does."""
    snapshot_version: int
    snapshot_age: float
    """Seconds that the registry has been away; 0 while it is there."""
    max_snapshot_age: float
    models: int
    instance_count: int
    instances: list[InstanceStatus]
    breakers: list[BreakerStatus]
    """Those that are not closed, or have counted failures."""
    profiles: list[ProfileWeights]
    default_profile: str
    events_connected: bool
    syncs: list[SyncStatus] | None
    """Of the benchmarks; None while the registry is away."""
