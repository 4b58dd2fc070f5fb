"""Composition of a worker whose model is served elsewhere: as `olo_llm_worker.app`, with an upstream for an engine.

The model counts as there while the upstream answers; the worker falls silent while it does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import OloError, StartupError
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.nats_bus import nats_bus
from olo_common.nats_streams import StreamKeeper
from olo_common.settings import is_loopback
from olo_common.temporal import TEMPORAL_CONDITION, temporal_client, temporal_worker
from olo_contracts.streams import CHUNK_STREAM
from olo_llm_worker.membership import advertisement_of, generate_worker, identity_of
from olo_llm_worker.upstream.activities import UpstreamActivities
from olo_llm_worker.upstream.adapters.anthropic import VERSION, AnthropicEngine
from olo_llm_worker.upstream.adapters.http import Upstream
from olo_llm_worker.upstream.adapters.openai import OpenAIEngine
from olo_llm_worker.upstream.errors import UpstreamDenied
from olo_llm_worker.upstream.relay.desk import Desk
from olo_llm_worker.upstream.relay.engine import TextEngine
from olo_llm_worker.upstream.servicer import UpstreamServicer
from olo_worker.presence import Presence, present

if TYPE_CHECKING:
    from olo_llm_worker.settings import LlmWorkerSettings

UPSTREAM_CONDITION = "upstream"
"""The health condition that holds while the other server answers."""


@asynccontextmanager
async def running_upstream(settings: LlmWorkerSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """Serves while the context is entered; gives the address of the gRPC server.

    Raises:
        StartupError: The settings of the upstream are wrong, it refuses the key, or the port is taken.
    """
    identity, health = identity_of(settings), Health([UPSTREAM_CONDITION, TEMPORAL_CONDITION])
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_bus(settings.nats, identity.instance_id))
        StreamKeeper(bus, CHUNK_STREAM)
        client = await temporal_client(settings.temporal, identity.instance_id)
        engine = open_engine(settings)
        stack.push_async_callback(engine.close)
        if await _answers(engine, health) is UpstreamDenied:
            raise StartupError("OLO_LLM_WORKER_UPSTREAM_API_KEY: the server of the model does not accept it")
        desk = Desk(
            engine,
            max_concurrency=settings.max_concurrency,
            max_queue=settings.max_queue,
            max_tokens_default=settings.max_tokens_default,
        )
        stack.push_async_callback(desk.close)
        polling = await stack.enter_async_context(AsyncExitStack())
        await polling.enter_async_context(
            temporal_worker(
                client,
                lambda: generate_worker(client, settings, UpstreamActivities(desk, identity, bus).generate),
                lifetime=lifetime,
                health=health,
            )
        )
        registration = Registration(
            pb.DESCRIPTOR.services_by_name["InferenceService"],
            rpc.add_InferenceServiceServicer_to_server,
            UpstreamServicer(desk, engine, identity, hardware=settings.upstream.hardware),
        )
        address = await stack.enter_async_context(grpc_server(settings, [registration], health))
        watching = _watch(engine, health, settings.upstream.check_seconds)
        await stack.enter_async_context(background(watching, "upstream", lifetime))
        presence = Presence(
            bus,
            advertisement_of(
                settings,
                identity,
                address,
                context_limit=settings.upstream.context_limit,
                hardware=settings.upstream.hardware,
                capabilities=engine.facts.capabilities,
            ),
            in_flight=lambda: desk.running,
            able=lambda: not health.missing,
            heartbeat_seconds=settings.heartbeat_seconds,
            stop_taking=polling.aclose,
        )
        await stack.enter_async_context(present(presence, bus, lifetime))
        yield address


def open_engine(settings: LlmWorkerSettings) -> TextEngine:
    """The engine that the settings name.

    Raises:
        StartupError: No key can be read, or the settings are wrong.
    """
    said, key = settings.upstream, settings.upstream.key()
    if key and said.url.startswith("http://") and not is_loopback(said.url.split("/")[2].rsplit(":", 1)[0]):
        logger(__name__).warning("upstream_key_travels_in_the_clear")
    model = said.model or settings.model_id
    anthropic = settings.engine == "anthropic"
    headers = {"anthropic-version": VERSION} if anthropic else {}
    if key:
        headers |= {"x-api-key": key} if anthropic else {"authorization": f"Bearer {key}"}
    try:
        upstream = Upstream(
            said.url, headers, idle_seconds=said.idle_seconds, context_limit=said.context_limit, proxy=said.proxy
        )
    except ValueError:
        raise StartupError("OLO_LLM_WORKER_UPSTREAM_PROXY: it is no URL of a proxy") from None
    if anthropic:
        return AnthropicEngine(upstream, model=model, context_limit=said.context_limit)
    return OpenAIEngine(
        upstream,
        model=model,
        context_limit=said.context_limit,
        extensions=said.extensions,
        max_tokens_field=said.max_tokens_field,
    )


async def _watch(engine: TextEngine, health: Health, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _answers(engine, health)


async def _answers(engine: TextEngine, health: Health) -> type[OloError] | None:
    """Whether the upstream answers, as health says from now on; the kind of its failure, where it does not."""
    try:
        await engine.check()
    except OloError as error:
        logger(__name__).warning("upstream_does_not_answer", reason=error.reason)
        await health.set(UPSTREAM_CONDITION, False)
        return type(error)
    await health.set(UPSTREAM_CONDITION, True)
    return None
