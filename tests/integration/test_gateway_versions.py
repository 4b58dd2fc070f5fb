"""Two builds of the gateway side by side, as a Worker Deployment on a real Temporal: a run ends where it has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError
from tests.integration.gateway_world import World, asked, worlds

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import StartupError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import TemporalSettings, load_settings
from olo_gateway.app import running
from olo_testing.servers import temporal_server
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

DEPLOYMENT = "olo-gateway"


@pytest.fixture(scope="module")
async def world(nats_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    # A server of its own: a queue that has a current version is served by no other worker.
    with temporal_server(tmp_path_factory.mktemp("versions"), in_memory=True) as address:
        await until(lambda: answers(address))
        async with worlds(nats_url, address) as built:
            await built.inner.aclose()
            yield built


async def answers(address: str) -> bool:
    try:
        await (await Client.connect(address)).count_workflows()
    except (RPCError, RuntimeError):
        return False
    return True


class Build:
    """A gateway of one build."""

    def __init__(self, stub: GatewayServiceStub) -> None:
        self.stub = stub

    async def chat(self, said: str, model: str = "") -> ChatResponse:
        response: ChatResponse = await call(self.stub.Chat, asked(said, model=model), peer="gateway", timeout=60)
        return response


@asynccontextmanager
async def build(world: World, name: str) -> AsyncIterator[Build]:
    """A gateway of this build, the current one as soon as Temporal knows it."""
    temporal = world.settings.temporal.model_copy(update={"deployment_name": DEPLOYMENT, "worker_build_id": name})
    settings = world.settings.model_copy(update={"temporal": temporal, "http_port": 0})
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace="default", deployment_name=DEPLOYMENT, build_id=name, ignore_missing_task_queues=True
    )

    async def made_current() -> bool:
        try:
            await world.client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:
            return False
        return True

    async with running(settings, Lifetime()) as address, channel(address) as opened:
        await until(made_current)
        yield Build(GatewayServiceStub(opened))


async def build_of(world: World, run_id: str) -> str:
    described = await world.client.get_workflow_handle(run_id).describe()
    found = described.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id
    assert isinstance(found, str)
    return found


async def test_a_run_ends_with_the_build_that_began_it_and_new_ones_begin_with_the_current(world: World) -> None:
    async with build(world, "1") as old:
        first = await old.chat("hello")
        assert await build_of(world, first.run_id) == "1"
        waiting = asyncio.create_task(old.chat("hello", model="restarting"))
        await until(lambda: in_flight(world))
        async with build(world, "2") as new:
            assert await build_of(world, (await new.chat("hello")).run_id) == "2"
            # Whichever gateway is asked: the old one, too, hands new runs to the current build.
            assert await build_of(world, (await old.chat("hello")).run_id) == "2"
            world.router.back.set()
            answer = await waiting
            assert answer.message.content == "one says: hello [1]"
            assert await build_of(world, answer.run_id) == "1"


async def in_flight(world: World) -> bool:
    return "restarting" in world.router.asked


def test_a_build_without_a_deployment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "7")
    with pytest.raises(StartupError, match="TEMPORAL_WORKER_BUILD_ID"):
        load_settings(TemporalSettings)
