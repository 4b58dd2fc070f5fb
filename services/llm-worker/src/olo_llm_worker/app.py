"""Composition: what is built, in which order, and how it ends.

Up: bus, gRPC server (NOT_SERVING), model, Temporal worker, presence. Down: presence leaves, the gRPC server drains, the
Temporal worker finishes what it has, the scheduler comes to rest, the engine is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import StartupError
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import nats_bus
from olo_common.nats_streams import StreamKeeper
from olo_common.temporal import TEMPORAL_CONDITION, temporal_client, temporal_worker
from olo_contracts.streams import CHUNK_STREAM
from olo_llm_worker.activities import GenerateActivities
from olo_llm_worker.adapters.child_engine import Placement, start_engine
from olo_llm_worker.adapters.cores import physical_cores
from olo_llm_worker.adapters.heartbeats import TemporalHeartbeats
from olo_llm_worker.errors import EngineLost, MemoryShort, ModelDirectoryError
from olo_llm_worker.generation.batching import Limits
from olo_llm_worker.generation.engine import Engine
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.membership import advertisement_of, generate_worker, identity_of
from olo_llm_worker.model_directory import load
from olo_llm_worker.responses import Identity
from olo_llm_worker.servicer import InferenceServicer
from olo_llm_worker.settings import LlmWorkerSettings
from olo_llm_worker.telemetry import show
from olo_worker.presence import Presence, present

MODEL_CONDITION = "model"
"""The health condition that holds once the model is loaded."""


@asynccontextmanager
async def running(settings: LlmWorkerSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The model directory is not sound, or the port is taken.
    """
    if settings.engine != "ctranslate2":
        # Imported here: its HTTP client costs a start 0.3 s.
        from olo_llm_worker.upstream.app import running_upstream

        async with running_upstream(settings, lifetime) as address:
            yield address
        return
    health, identity = Health([MODEL_CONDITION, TEMPORAL_CONDITION]), identity_of(settings)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_bus(settings.nats, identity.instance_id))
        StreamKeeper(bus, CHUNK_STREAM)
        client = await temporal_client(settings.temporal, identity.instance_id)
        polling = _Polling()
        slot = ModelSlot(lambda: _load(settings), _policy(settings), polling.follow)
        show(slot, identity)
        activities = GenerateActivities(
            slot, identity, bus, TemporalHeartbeats(client), stall_seconds=settings.stall_seconds
        )
        polling.begin(
            health,
            lambda: temporal_worker(
                client,
                lambda: generate_worker(client, settings, activities.generate),
                lifetime=lifetime,
                health=health,
            ),
        )
        async with AsyncExitStack() as starting:
            # Answers from the first moment on, but ends before the worker does.
            address = await starting.enter_async_context(_grpc(settings, slot, identity, health))
            stack.push_async_callback(slot.close)
            stack.push_async_callback(polling.end)
            await _first_load(slot, settings)
            await starting.enter_async_context(background(slot.keep(), "engine", lifetime))
            stack.push_async_exit(starting.pop_all())
        presence = Presence(
            bus,
            advertisement_of(
                settings,
                identity,
                address,
                context_limit=slot.info.context_limit,
                hardware=slot.info.hardware,
                capabilities=slot.info.capabilities,
            ),
            in_flight=lambda: slot.running,
            able=lambda: not health.missing,
            heartbeat_seconds=settings.heartbeat_seconds,
            stop_taking=polling.end,
        )
        await stack.enter_async_context(present(presence, bus, lifetime))
        polling.presence = presence
        yield address


class _Polling:
    """Takes work from Temporal while the model is loaded, and only then: others of the queue can serve it meanwhile."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._changing = asyncio.Lock()
        self._ended = False
        self.presence: Presence | None = None

    def begin(self, health: Health, worker: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Says what is to follow the model."""
        self._health = health
        self._worker = worker

    async def follow(self, loaded: bool) -> None:
        """The model has come, or goes. Being cancelled does not stop it: a worker must not be left half ended."""
        await asyncio.shield(asyncio.ensure_future(self._follow(loaded)))

    async def end(self) -> None:
        """Lets what was taken finish, and takes nothing more."""
        self._ended = True
        async with self._changing:
            await self._stack.aclose()

    async def _follow(self, loaded: bool) -> None:
        async with self._changing:
            if not loaded:
                await self._health.set(MODEL_CONDITION, False)
                if self.presence is not None:
                    await self.presence.suspend("unloaded")
                await self._stack.aclose()
            elif not self._ended:
                await self._stack.enter_async_context(self._worker())
                await self._health.set(MODEL_CONDITION, True)


@asynccontextmanager
async def _grpc(settings: LlmWorkerSettings, slot: ModelSlot, identity: Identity, health: Health) -> AsyncIterator[str]:
    registration = Registration(
        pb.DESCRIPTOR.services_by_name["InferenceService"],
        rpc.add_InferenceServiceServicer_to_server,
        InferenceServicer(slot, identity),
    )
    async with grpc_server(settings, [registration], health) as address:
        yield address


async def _first_load(slot: ModelSlot, settings: LlmWorkerSettings) -> None:
    log = logger(__name__)
    log.info("model_loading", path=str(settings.directory))
    try:
        await slot.load()
    except ModelDirectoryError as error:
        raise StartupError(f"OLO_LLM_WORKER_MODEL_DIRECTORY: {error}") from error
    except (MemoryShort, EngineLost) as error:
        raise StartupError(f"OLO_LLM_WORKER_MODEL_DIRECTORY: {error.message}") from error
    info = slot.info
    log.info(
        "model_loaded",
        name=info.name,
        quantization=info.quantization,
        hardware=info.hardware,
        compute_type=info.compute_type,
    )


async def _load(settings: LlmWorkerSettings) -> Engine:
    directory = await asyncio.to_thread(load, settings.directory)
    placement = Placement(settings.device, settings.compute_type, _replicas(settings), settings.intra_threads)
    return await start_engine(directory, placement, stall_seconds=settings.stall_seconds)


def _replicas(settings: LlmWorkerSettings) -> int:
    """As many as cores by default; a GPU computes one batch at a time."""
    if settings.replicas:
        return settings.replicas
    return 1 if settings.device == "cuda" else physical_cores()


def _policy(settings: LlmWorkerSettings) -> Policy:
    return Policy(
        max_concurrency=settings.max_concurrency,
        max_queue=settings.max_queue,
        replicas=_replicas(settings),
        window=settings.batch_window_seconds,
        limits=Limits(rows=settings.max_batch, tokens=settings.max_batch_tokens),
        slice_tokens=settings.slice_tokens,
        max_prefixes=settings.max_prefixes,
        max_tokens_default=settings.max_tokens_default,
    )
