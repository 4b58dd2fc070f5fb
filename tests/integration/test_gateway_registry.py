"""The registry at the edge: operators' calls are passed on, those of workers and routers are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

import olo_registry.app
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.errors import RemoteError
from olo_common.grpc_client import call, channel
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings
from olo_gateway.edge import OPERATORS_CALLS
from olo_gateway.rpc.forwarding import forwarded
from olo_registry.settings import RegistrySettings

pytestmark = pytest.mark.integration


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[RegistryServiceStub]:
    settings = RegistrySettings(
        port=0,
        database_url=f"sqlite:///{tmp_path}/registry.db",
        nats=NatsSettings(url="nats://127.0.0.1:1"),
        grace_seconds=0.0,
    )
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(olo_registry.app.running(settings, Lifetime()))
        behind = await stack.enter_async_context(channel(registry))
        service = pb.DESCRIPTOR.services_by_name["RegistryService"]
        registration = forwarded(service, behind, "the registry", only=OPERATORS_CALLS)
        address = await stack.enter_async_context(grpc_server(settings, [registration], Health([])))
        yield RegistryServiceStub(await stack.enter_async_context(channel(address)))


async def test_an_operators_call_arrives_and_its_refusal_comes_back_as_it_was(edge: RegistryServiceStub) -> None:
    assert not (await call(edge.ListAliases, pb.ListAliasesRequest(), peer="the edge", timeout=5)).aliases
    with pytest.raises(RemoteError) as caught:
        await call(edge.GetModel, pb.GetModelRequest(model_id="nobody"), peer="the edge", timeout=5)
    assert (caught.value.reason, caught.value.field) == ("model_not_found", "model_id")


async def test_nobody_registers_or_watches_from_outside(edge: RegistryServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.RegisterInstance(pb.RegisterInstanceRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.WatchModels(pb.WatchModelsRequest(), timeout=5).read()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
