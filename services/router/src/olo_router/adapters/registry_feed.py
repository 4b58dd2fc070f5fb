"""Follows the registry's WatchModels; comes back with a growing, scattered pause when it is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import grpc

from olo.common.v1 import common_pb2
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.logs import logger
from olo_common.occasional_log import OccasionalWarning
from olo_router.ports import Fed
from olo_router.types import Alias, CatalogueUpdate, Instance, Model, ModelType, Stamp

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0

_MODEL_TYPES = {
    common_pb2.MODEL_TYPE_LLM: ModelType.LLM,
    common_pb2.MODEL_TYPE_EMBEDDING: ModelType.EMBEDDING,
}
_HARDWARE = {common_pb2.HARDWARE_TYPE_CPU: "cpu", common_pb2.HARDWARE_TYPE_GPU: "gpu"}


async def follow_registry(channel: grpc.aio.Channel, fed: Fed, scatter: Callable[[], float] = random.random) -> None:
    """Feeds for ever. `scatter` gives 0 to 1, so that many routers do not come back at the same moment."""
    stub = RegistryServiceStub(channel)
    pause = _FIRST_PAUSE_SECONDS
    away = OccasionalWarning("registry_away")
    known = pb.WatchModelsRequest()
    while True:
        stream = stub.WatchModels(known)
        problem = "the stream has ended"
        try:
            async for message in stream:
                await fed.updated(update_of(message))
                known = pb.WatchModelsRequest(registry_epoch=message.registry_epoch, version=message.version)
                if message.snapshot:
                    logger(__name__).info("snapshot_received", version=message.version, models=len(message.models))
                pause = _FIRST_PAUSE_SECONDS
        except grpc.aio.AioRpcError as error:
            problem = error.code().name
        finally:
            stream.cancel()
        fed.registry_lost()
        away(problem=problem)
        await asyncio.sleep(pause * (0.5 + scatter()))
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def update_of(message: pb.WatchModelsResponse) -> CatalogueUpdate:
    """The registry's word as plain values. Models of a type that this router does not know are left out."""
    return CatalogueUpdate(
        version=message.version,
        registry_epoch=message.registry_epoch,
        snapshot=message.snapshot,
        models=tuple(
            (_model(model), tuple(_instance(instance) for instance in model.instances))
            for model in message.models
            if model.model_type in _MODEL_TYPES
        ),
        removed_model_ids=tuple(message.removed_model_ids),
        aliases=tuple(_alias(alias) for alias in message.aliases),
        removed_aliases=tuple(message.removed_aliases),
    )


def _model(message: pb.Model) -> Model:
    return Model(
        model_id=message.model_id,
        model_type=_MODEL_TYPES[message.model_type],
        priority=message.priority,
        default_flag=message.default_flag,
        enabled=message.enabled,
        context_limit=message.context_limit,
        task_queue=message.task_queue,
        embedding_dimension=message.embedding_dimension,
        hardware=_HARDWARE.get(message.hardware_type, ""),
        quality=message.quality_score if message.HasField("quality_score") else None,
        input_cost=message.cost_per_1k_input_tokens if message.HasField("cost_per_1k_input_tokens") else None,
        output_cost=message.cost_per_1k_output_tokens if message.HasField("cost_per_1k_output_tokens") else None,
        labels=frozenset(message.labels.items()),
        capabilities=frozenset(message.capabilities),
        allowed_tenants=frozenset(message.allowed_tenants),
    )


def _alias(message: pb.Alias) -> Alias:
    targets = tuple((target.model_id, target.weight) for target in message.targets)
    shadow = (message.shadow.model_id, message.shadow.percent) if message.HasField("shadow") else None
    return Alias(message.alias, targets, shadow)


def _instance(message: pb.Instance) -> Instance:
    return Instance(
        instance_id=message.instance_id,
        model_id=message.model_id,
        stamp=Stamp(message.epoch, message.seq),
        address=message.address,
        max_concurrency=message.max_concurrency,
        in_flight=message.in_flight,
        draining=message.state == pb.INSTANCE_STATE_DRAINING,
        quarantined=message.state == pb.INSTANCE_STATE_QUARANTINED,
    )
