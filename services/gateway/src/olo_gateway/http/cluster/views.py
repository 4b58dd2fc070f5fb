"""What registry, router and Temporal say, as the cluster calls show it. Pure: nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from olo.common.v1 import common_pb2
from olo.registry.v1 import registry_service_pb2 as registry
from olo.router.v1.router_service_pb2 import GetStatusResponse
from olo_common.durations import seconds_of
from olo_gateway.http.cluster import schemas
from olo_gateway.ports import Backlog

_State: TypeAlias = Literal["ready", "draining", "quarantined", "unknown"]
_Hardware: TypeAlias = Literal["cpu", "gpu", "unknown"]

NODE_LABEL: Final = "node"
"""By this label a worker names its machine; containers of one machine have hosts of their own."""
_STATES: Final[Mapping[int, _State]] = {
    registry.INSTANCE_STATE_READY: "ready",
    registry.INSTANCE_STATE_DRAINING: "draining",
    registry.INSTANCE_STATE_QUARANTINED: "quarantined",
}
_BEST_FIRST: Final[tuple[_State, ...]] = ("ready", "draining", "quarantined", "unknown")
_HARDWARE: Final[Mapping[int, _Hardware]] = {
    common_pb2.HARDWARE_TYPE_CPU: "cpu",
    common_pb2.HARDWARE_TYPE_GPU: "gpu",
}
_TYPES: Final[Mapping[int, Literal["llm", "embedding"]]] = {
    common_pb2.MODEL_TYPE_LLM: "llm",
    common_pb2.MODEL_TYPE_EMBEDDING: "embedding",
}


def node_of(instance: registry.Instance) -> str:
    """The name of the machine on which an instance lives."""
    return instance.labels.get(NODE_LABEL) or instance.address.rpartition(":")[0]


def silences_of(status: GetStatusResponse | None) -> dict[str, float]:
    """Seconds since each instance was last heard, as far as the router knows them."""
    return {} if status is None else {each.instance_id: seconds_of(each.silence) for each in status.instances}


def cluster_model(model: registry.Model, silences: Mapping[str, float]) -> schemas.ClusterModel:
    """A model with its instances."""
    return schemas.ClusterModel(
        model_id=model.model_id,
        name=model.model_name,
        type=_TYPES.get(model.model_type, "unknown"),
        enabled=model.enabled,
        available=is_available(model),
        default=model.default_flag,
        priority=model.priority,
        context_length=model.context_limit,
        capabilities=list(model.capabilities),
        quality=model.quality_score if model.HasField("quality_score") else None,
        cost_per_1k_input_tokens=model.cost_per_1k_input_tokens if model.HasField("cost_per_1k_input_tokens") else None,
        cost_per_1k_output_tokens=(
            model.cost_per_1k_output_tokens if model.HasField("cost_per_1k_output_tokens") else None
        ),
        nodes=sorted({node_of(instance) for instance in model.instances}),
        instances=[_instance(instance, silences.get(instance.instance_id)) for instance in model.instances],
    )


def is_available(model: registry.Model) -> bool:
    """Whether a model can be asked now."""
    return model.enabled and any(each.state == registry.INSTANCE_STATE_READY for each in model.instances)


def is_text(model: registry.Model) -> bool:
    """Whether a model answers with text."""
    return model.model_type == common_pb2.MODEL_TYPE_LLM


def nodes_of(models: Iterable[registry.Model]) -> list[schemas.Node]:
    """The machines on which instances live, in the order of their names."""
    living: dict[str, list[registry.Instance]] = {}
    for model in models:
        for instance in model.instances:
            living.setdefault(node_of(instance), []).append(instance)
    return [_node(name, living[name]) for name in sorted(living)]


def measured(measurement: registry.Measurement) -> schemas.Measured:
    """A measurement."""
    timed = measurement.timed_weight > 0
    return schemas.Measured(
        model_id=measurement.model_id,
        instance_id=measurement.instance_id or None,
        prompt_size=measurement.prompt_size,
        attempts=round(measurement.weight, 3),
        first_token=measurement.first_token_seconds if timed else None,
        per_token=measurement.token_seconds if timed else None,
        error_rate=measurement.error_rate,
        tokens_per_second=measurement.throughput,
    )


def queues_of(models: Sequence[registry.Model], backlogs: Mapping[str, Backlog | None]) -> list[schemas.Queue]:
    """The queues of models, with what waits in them."""
    return [_queue(model, backlogs.get(model.task_queue)) for model in models if model.task_queue]


def _queue(model: registry.Model, backlog: Backlog | None) -> schemas.Queue:
    return schemas.Queue(
        queue=model.task_queue,
        model_id=model.model_id,
        waiting=backlog.waiting if backlog else None,
        oldest=round(backlog.oldest, 3) if backlog else None,
        added_per_second=round(backlog.added, 3) if backlog else None,
        dispatched_per_second=round(backlog.dispatched, 3) if backlog else None,
        pollers=backlog.pollers if backlog else None,
    )


def _node(name: str, instances: Sequence[registry.Instance]) -> schemas.Node:
    states = {_state(instance) for instance in instances}
    return schemas.Node(
        name=name,
        status=next(state for state in _BEST_FIRST if state in states),
        hardware=sorted({_hardware(instance) for instance in instances}),
        models=sorted({instance.model_id for instance in instances}),
        instances=len(instances),
        max_concurrency=sum(instance.max_concurrency for instance in instances),
        in_flight=sum(instance.in_flight for instance in instances),
    )


def _instance(instance: registry.Instance, silence: float | None) -> schemas.ClusterInstance:
    return schemas.ClusterInstance(
        instance_id=instance.instance_id,
        model_id=instance.model_id,
        node=node_of(instance),
        state=_state(instance),
        state_reason=instance.state_reason,
        hardware=_hardware(instance),
        max_concurrency=instance.max_concurrency,
        in_flight=instance.in_flight,
        silence=None if silence is None else round(silence, 3),
        capabilities=list(instance.capabilities),
        labels=dict(instance.labels),
    )


def _state(instance: registry.Instance) -> _State:
    return _STATES.get(instance.state, "unknown")


def _hardware(instance: registry.Instance) -> _Hardware:
    return _HARDWARE.get(instance.hardware_type, "unknown")
