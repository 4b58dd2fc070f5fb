"""Builds the service and says in which order its parts start and stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio.worker import Worker

import olo_events
from olo.common.v1.common_pb2 import HARDWARE_TYPE_CPU, HARDWARE_TYPE_GPU
from olo.embedding.v1 import embedding_service_pb2 as pb
from olo.embedding.v1.embedding_service_pb2_grpc import add_EmbeddingServiceServicer_to_server
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.nats_bus import nats_bus
from olo_common.temporal import TEMPORAL_CONDITION, build_id, temporal_client, temporal_worker
from olo_contracts.queues import embedding_queue
from olo_embed_worker.activities import EmbedActivities
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.embedding import Embedding
from olo_embed_worker.ports import EmbeddingEngine
from olo_embed_worker.servicer import EmbeddingServicer
from olo_embed_worker.settings import EmbedWorkerSettings
from olo_embed_worker.telemetry import BATCHES, show
from olo_embed_worker.types import EngineInfo
from olo_worker.presence import Advertisement, Presence, present

MODEL_CONDITION = "model"


@asynccontextmanager
async def running(settings: EmbedWorkerSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives `host:port`.

    Stops in the order: leave the registry, drain gRPC, finish activities, close the engine.

    Raises:
        StartupError: A model cannot be loaded, or the port is taken.
    """
    engine = await asyncio.to_thread(_load, settings)
    async with serving(settings, engine, lifetime) as address:
        yield address


@asynccontextmanager
async def serving(settings: EmbedWorkerSettings, engine: EmbeddingEngine, lifetime: Lifetime) -> AsyncIterator[str]:
    """`running` with an engine that is loaded; the engine is closed at the end."""
    async with AsyncExitStack() as stack:
        health = Health([MODEL_CONDITION, TEMPORAL_CONDITION])
        await health.set(MODEL_CONDITION, True)
        info = engine.info()
        stack.push_async_callback(asyncio.to_thread, engine.close)
        tokenizing = _lane(stack, "embed-tokenize", settings)
        computing = _lane(stack, "embed-dense", settings, threads=_replicas(settings, info))
        other = _lane(stack, "embed-other", settings)
        batcher = MicroBatcher(
            engine.tokenize,
            engine.embed,
            tokenizing=tokenizing,
            computing=computing,
            max_batch=settings.max_batch,
            max_tokens=settings.max_batch_tokens,
            max_queue=settings.max_queue,
            window_seconds=settings.batch_window_seconds,
            batched=BATCHES.record,
        )
        await stack.enter_async_context(background(batcher.run(), "batcher", lifetime))
        show(batcher, settings.model_id)
        embedding = Embedding(batcher, settings.model_id, info)

        bus = await stack.enter_async_context(nats_bus(settings.nats, settings.instance_id))
        client = await temporal_client(settings.temporal, settings.instance_id)

        def make_worker() -> Worker:
            return Worker(
                client,
                task_queue=embedding_queue(settings.model_id),
                activities=[EmbedActivities(embedding).embed],
                build_id=build_id("olo-embed-worker"),
                max_concurrent_activities=settings.max_concurrency,
                graceful_shutdown_timeout=timedelta(seconds=settings.grace_seconds),
            )

        polling = await stack.enter_async_context(AsyncExitStack())
        await polling.enter_async_context(temporal_worker(client, make_worker, lifetime=lifetime, health=health))
        servicer = EmbeddingServicer(embedding, engine, other, tokenizing, _model_info(settings, info))
        registration = Registration(
            pb.DESCRIPTOR.services_by_name["EmbeddingService"], add_EmbeddingServiceServicer_to_server, servicer
        )
        address = await stack.enter_async_context(grpc_server(settings, [registration], health))
        presence = Presence(
            bus,
            _advertisement(settings, info, address),
            in_flight=lambda: batcher.in_flight + other.in_flight,
            able=lambda: not health.missing,
            heartbeat_seconds=settings.heartbeat_seconds,
            stop_taking=polling.aclose,
        )
        await stack.enter_async_context(present(presence, bus, lifetime))
        yield address


def _lane(stack: AsyncExitStack, name: str, settings: EmbedWorkerSettings, *, threads: int = 1) -> Lane:
    lane = Lane(name, threads=threads, max_texts=settings.max_queue)
    stack.push_async_callback(asyncio.to_thread, lane.close)
    return lane


def _replicas(settings: EmbedWorkerSettings, info: EngineInfo) -> int:
    if settings.replicas:
        return settings.replicas
    if info.on_gpu or not settings.threads:
        return 1
    return max(1, len(os.sched_getaffinity(0)) // settings.threads)


def _load(settings: EmbedWorkerSettings) -> EmbeddingEngine:
    # Imported here, in the thread: it takes a second.
    from olo_embed_worker.adapters.fastembed_engine import FastembedEngine

    return FastembedEngine(
        settings.model,
        int8=settings.quantization == "int8",
        sparse=settings.sparse,
        reranker=settings.reranker,
        threads=settings.threads,
        cache_dir=settings.cache_dir,
    )


def _model_info(settings: EmbedWorkerSettings, info: EngineInfo) -> pb.GetModelInfoResponse:
    return pb.GetModelInfoResponse(
        model_id=settings.model_id,
        model_name=settings.model_name or settings.model_id,
        dimension=info.dimension,
        context_limit=info.context_limit,
        max_concurrency=settings.max_concurrency,
        hardware_type=HARDWARE_TYPE_GPU if info.on_gpu else HARDWARE_TYPE_CPU,
        instance_id=settings.instance_id,
        task_queue=embedding_queue(settings.model_id),
        reranker_model=info.reranker_model,
    )


def _advertisement(settings: EmbedWorkerSettings, info: EngineInfo, address: str) -> Advertisement:
    return Advertisement(
        instance_id=settings.instance_id,
        model_id=settings.model_id,
        model_name=settings.model_name or settings.model_id,
        model_type=olo_events.ModelType.EMBEDDING,
        priority=settings.priority,
        default_flag=settings.default_flag,
        max_concurrency=settings.max_concurrency,
        context_limit=info.context_limit,
        hardware_type=olo_events.HardwareType.GPU if info.on_gpu else olo_events.HardwareType.CPU,
        address=settings.advertised_address or address,
        task_queue=embedding_queue(settings.model_id),
        embedding_dimension=info.dimension,
        capabilities=_capabilities(settings, info),
        labels=settings.labels,
    )


def _capabilities(settings: EmbedWorkerSettings, info: EngineInfo) -> list[str]:
    able = {"rerank": bool(info.reranker_model), "sparse": bool(settings.sparse)}
    return [name for name, holds in able.items() if holds]
