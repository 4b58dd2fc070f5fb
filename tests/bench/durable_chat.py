"""A durable chat with a model that costs nothing, beside a bare workflow with one activity on the same server.

The subject is a gRPC `Chat` through gateway, workflow, router and a worker that answers at once. The peer is the least
that durability can cost: a workflow that runs one activity on another task queue. All Python parts share this process,
so that its CPU time, with the Temporal server's and the NATS server's, is all that a request costs.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tests.bench.harness import CpuClock, compare, report
from tests.bench.zero_cost import MODEL, ZeroCost, first_answer

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.grpc_client import channel
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import nats_bus
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_gateway.app import running as gateway_running
from olo_gateway.settings import GatewaySettings
from olo_registry.app import running as registry_running
from olo_registry.settings import RegistrySettings
from olo_router.app import running as router_running
from olo_router.settings import RouterSettings
from olo_testing.servers import nats_server, temporal_server
from olo_worker.presence import present

PEER_QUEUE = "bench-activity"
ROUNDS, TIMES = 7, 40


@workflow.defn(name="bare", sandboxed=False)
class BareWorkflow:
    @workflow.run
    async def run(self, request: inference.GenerateRequest) -> inference.GenerateResponse:
        return await workflow.execute_activity(
            GENERATE_ACTIVITY,
            request,
            result_type=inference.GenerateResponse,
            task_queue=PEER_QUEUE,
            start_to_close_timeout=timedelta(seconds=30),
        )


@asynccontextmanager
async def house(
    temporal: str, nats: str, directory: Path, **gateway_settings: Any
) -> AsyncIterator[tuple[GatewayServiceStub, Client]]:
    """Registry, router, gateway and the workers of subject and peer, in this process."""
    bus_settings, temporal_settings = NatsSettings(url=nats), TemporalSettings(address=temporal)
    lifetime = Lifetime()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = f"sqlite:///{directory / 'registry.db'}"
        registry = await enter(
            registry_running(RegistrySettings(port=0, database_url=database, nats=bus_settings), lifetime)
        )
        router = await enter(
            router_running(RouterSettings(port=0, registry_target=registry, nats=bus_settings), lifetime)
        )
        settings = GatewaySettings(
            port=0,
            http_port=0,
            registry_target=registry,
            router_target=router,
            nats=bus_settings,
            temporal=temporal_settings,
            **gateway_settings,
        )
        gateway = await enter(gateway_running(settings, lifetime))
        client = await Client.connect(temporal)
        model = ZeroCost()
        await enter(Worker(client, task_queue=llm_queue(MODEL), activities=[model.generate], build_id="bench"))
        await enter(Worker(client, task_queue=PEER_QUEUE, activities=[model.generate], build_id="bench"))
        await enter(
            Worker(
                client,
                task_queue="bench-workflow",
                workflows=[BareWorkflow],
                workflow_runner=UnsandboxedWorkflowRunner(),
                build_id="bench",
            )
        )
        bus = await enter(nats_bus(bus_settings, "bench"))
        await enter(present(model.presence(bus), bus, lifetime))
        yield GatewayServiceStub(await enter(channel(gateway))), client


async def measure() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with temporal_server(directory) as temporal, nats_server(directory) as nats:
            children = psutil.Process().children()
            async with house(temporal, nats, directory) as (gateway, client):
                message = inference.ChatMessage(role=inference.ROLE_USER, content="hello")

                async def durable_chat() -> None:
                    await gateway.Chat(ChatRequest(messages=[message]), timeout=30)

                async def bare_workflow() -> None:
                    request = inference.GenerateRequest(messages=[message])
                    await client.execute_workflow(
                        BareWorkflow.run, request, id=uuid.uuid4().hex, task_queue="bench-workflow"
                    )

                await first_answer(durable_chat)
                compared = await compare(
                    durable_chat, bare_workflow, rounds=ROUNDS, times=TIMES, clock=CpuClock(children)
                )
    report("durable_chat", compared)


def main() -> None:
    asyncio.run(measure())
