"""What the cluster and admin calls answer. Whatever is not known now is null. Lengths of time are seconds."""

from __future__ import annotations

from typing import Literal

from olo_gateway.http.routing_schemas import BreakerStatus
from olo_gateway.http.shapes import AnswerShape


class ClusterInstance(AnswerShape):
    instance_id: str
    model_id: str
    node: str
    state: Literal["ready", "draining", "quarantined", "unknown"]
    state_reason: str
    """Why it is not ready."""
    hardware: Literal["cpu", "gpu", "unknown"]
    max_concurrency: int
    in_flight: int
    silence: float | None
    """Since the router heard it last."""
    capabilities: list[str]
    labels: dict[str, str]


class ClusterModel(AnswerShape):
    model_id: str
    name: str
    type: Literal["llm", "embedding", "unknown"]
    enabled: bool
    available: bool
    """Whether it can be asked now."""
    default: bool
    priority: int
    context_length: int
    capabilities: list[str]
    quality: float | None
    """0 to 1."""
    cost_per_1k_input_tokens: float | None
    """US dollars."""
    cost_per_1k_output_tokens: float | None
    """US dollars."""
    nodes: list[str]
    """Where its instances run."""
    instances: list[ClusterInstance]


class ClusterModels(AnswerShape):
    models: list[ClusterModel]


class Node(AnswerShape):
    """A machine on which instances live: their label `node`, or else the host of their addresses."""

    name: str
    status: Literal["ready", "draining", "quarantined", "unknown"]
    """The best state among its instances. A machine without live instances is not known."""
    hardware: list[Literal["cpu", "gpu", "unknown"]]
    models: list[str]
    instances: int
    max_concurrency: int
    in_flight: int


class Nodes(AnswerShape):
    nodes: list[Node]


class Parts(AnswerShape):
    """Whether each part answers."""

    gateway: bool
    temporal: bool
    registry: bool
    router: bool


class ClusterStatus(AnswerShape):
    status: Literal["ok", "degraded", "unavailable"]
    """`unavailable`: this gateway cannot serve; `degraded`: a part is away, or no text model is available."""
    parts: Parts
    nodes: int | None
    models: int | None
    models_available: int | None
    instances: int | None
    instances_ready: int | None
    max_concurrency: int | None
    in_flight: int | None
    """Requests that the instances work on, as they said last."""
    snapshot_age: float | None
    """How long the router has been without the registry."""


class Health(AnswerShape):
    status: Literal["ok", "degraded", "unavailable"]
    parts: Parts
    nodes: list[Node] | None


class Measured(AnswerShape):
    """What routers have measured; older attempts count less."""

    model_id: str
    instance_id: str | None
    """Null: all instances together."""
    prompt_size: str
    """`short`, `medium` or `long`."""
    attempts: float
    """How many it stands for."""
    first_token: float | None
    """Null: no attempt has told its times."""
    per_token: float | None
    error_rate: float
    """0 to 1."""
    tokens_per_second: float


class Admission(AnswerShape):
    """Of this gateway."""

    in_flight: int
    limit: int
    """Runs that may be in flight now."""
    parked: int
    """Runs that wait for a model, and take no place."""
    refused: dict[str, int]
    """Since the start, by priority."""


class ClusterMetrics(AnswerShape):
    models: list[Measured] | None
    """All instances of a model together."""
    admission: Admission


class Performance(AnswerShape):
    models: list[Measured] | None
    instances: list[Measured] | None
    breakers: list[BreakerStatus] | None
    """Those that are not closed, or have counted failures."""


class Queue(AnswerShape):
    queue: str
    """The task queue in Temporal."""
    model_id: str
    waiting: int | None
    """About how many tasks."""
    oldest: float | None
    """How long the oldest has waited."""
    added_per_second: float | None
    dispatched_per_second: float | None
    pollers: int | None
    """Processes that ask for its tasks."""


class QueueStatus(AnswerShape):
    admission: Admission
    queues: list[Queue] | None


class SystemMetrics(AnswerShape):
    """Of this gateway's process."""

    uptime: float
    cpu: float
    """Seconds of CPU time."""
    memory: int | None
    """Bytes in RAM; null where the system does not tell."""
    threads: int
    admission: Admission


class System(AnswerShape):
    """This gateway's process, and what it runs on."""

    version: str
    python: str
    system: str
    machine: str
    cpus: int | None
    started: float
    """Seconds since the epoch."""
    uptime: float
