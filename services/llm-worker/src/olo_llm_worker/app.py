"""Composition: what is built, in which order, and how it ends.

Up: bus, gRPC server (NOT_SERVING), model, Temporal worker, presence. Down: presence leaves, the gRPC server drains, the
Temporal worker finishes what it has, the scheduler comes to rest, the engine is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import StartupError
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_common.logs import logger
from olo_common.nats_bus import nats_bus
from olo_common.temporal import TEMPORAL_CONDITION, build_id, temporal_client, temporal_worker
from olo_contracts.queues import llm_queue
from olo_llm_worker.activities import HEARTBEAT_SECONDS, GenerateActivities
from olo_llm_worker.adapters.ctranslate2_engine import CTranslate2Engine
from olo_llm_worker.convert import Identity
from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.generation.engine import EngineInfo
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.model_directory import load
from olo_llm_worker.servicer import InferenceServicer
from olo_llm_worker.settings import LlmWorkerSettings
from olo_llm_worker.upstream.app import running_upstream
from olo_worker.presence import Advertisement, Presence, present

MODEL_CONDITION = "model"
"""The health condition that holds once the model is loaded."""


@asynccontextmanager
async def running(settings: LlmWorkerSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The model directory is not sound, or the port is taken.
    """
    if settings.engine != "ctranslate2":
        async with running_upstream(settings, lifetime) as address:
            yield address
        return
    slot, health, identity = ModelSlot(), Health([MODEL_CONDITION, TEMPORAL_CONDITION]), _identity(settings)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_bus(settings.nats, identity.instance_id))
        client = await temporal_client(settings.temporal, identity.instance_id)
        async with AsyncExitStack() as starting:
            # Answers from the first moment on, but ends before the worker does.
            address = await starting.enter_async_context(_grpc(settings, slot, identity, health))
            scheduler = await stack.enter_async_context(_scheduler(settings))
            slot.fill(scheduler)
            await health.set(MODEL_CONDITION, True)
            await stack.enter_async_context(
                temporal_worker(
                    client,
                    lambda: _worker(client, settings, GenerateActivities(slot, identity, bus)),
                    lifetime=lifetime,
                    health=health,
                )
            )
            stack.push_async_exit(starting.pop_all())
        presence = Presence(
            bus,
            _advertisement(settings, identity, scheduler.info, address),
            in_flight=lambda: scheduler.running,
            able=lambda: not health.missing,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        await stack.enter_async_context(present(presence, bus, lifetime))
        yield address


@asynccontextmanager
async def _grpc(settings: LlmWorkerSettings, slot: ModelSlot, identity: Identity, health: Health) -> AsyncIterator[str]:
    registration = Registration(
        pb.DESCRIPTOR.services_by_name["InferenceService"],
        rpc.add_InferenceServiceServicer_to_server,
        InferenceServicer(slot, identity),
    )
    async with grpc_server(settings, [registration], health) as address:
        yield address


@asynccontextmanager
async def _scheduler(settings: LlmWorkerSettings) -> AsyncIterator[Scheduler]:
    """The loaded model under its scheduler. Loading holds the interpreter at times: nothing may heartbeat yet."""
    log = logger(__name__)
    log.info("model_loading", path=str(settings.directory))
    try:
        engine = await asyncio.to_thread(_load, settings)
    except ModelDirectoryError as error:
        raise StartupError(f"OLO_LLM_WORKER_MODEL_DIRECTORY: {error}") from error
    log.info(
        "model_loaded", name=engine.info.name, quantization=engine.info.quantization, hardware=engine.info.hardware
    )
    scheduler = Scheduler(
        engine,
        max_concurrency=settings.max_concurrency,
        max_queue=settings.max_queue,
        max_tokens_default=settings.max_tokens_default,
    )
    with contextlib.closing(engine):
        try:
            yield scheduler
        finally:
            await scheduler.close()


def _load(settings: LlmWorkerSettings) -> CTranslate2Engine:
    return CTranslate2Engine(
        load(settings.directory),
        device=settings.device,
        compute_type=settings.compute_type,
        replicas=settings.replicas or settings.max_concurrency,
        intra_threads=settings.intra_threads,
    )


def _worker(client: Client, settings: LlmWorkerSettings, activities: GenerateActivities) -> Worker:
    return Worker(
        client,
        task_queue=llm_queue(settings.model_id),
        activities=[activities.generate],
        build_id=build_id("olo-llm-worker"),
        max_concurrent_activities=settings.max_concurrency,
        graceful_shutdown_timeout=timedelta(seconds=settings.grace_seconds),
        max_heartbeat_throttle_interval=timedelta(seconds=0.5),
        default_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
    )


def _identity(settings: LlmWorkerSettings) -> Identity:
    return Identity(
        model_id=settings.model_id,
        model_name=settings.model_name or settings.model_id,
        instance_id=settings.instance_id,
        task_queue=llm_queue(settings.model_id),
        max_concurrency=settings.max_concurrency,
    )


def _advertisement(settings: LlmWorkerSettings, identity: Identity, info: EngineInfo, address: str) -> Advertisement:
    return Advertisement(
        instance_id=identity.instance_id,
        model_id=identity.model_id,
        model_name=identity.model_name,
        model_type=olo_events.ModelType.LLM,
        priority=settings.priority,
        default_flag=settings.default_flag,
        max_concurrency=settings.max_concurrency,
        context_limit=info.context_limit,
        hardware_type=olo_events.HardwareType.GPU if info.hardware == "gpu" else olo_events.HardwareType.CPU,
        address=settings.advertised_address or address,
        task_queue=identity.task_queue,
    )
