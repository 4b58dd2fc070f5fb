"""Which models a stack has, as its registry tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

import grpc

from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.grpc_client import channel
from olo_common.settings import TlsSettings

if TYPE_CHECKING:  # this class exists for type checkers alone
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

_SECONDS = 2.0
_PAUSE = 0.1


async def unregistered(
    address: str, models: Iterable[str], tls: TlsSettings | None = None
) -> AsyncIterator[frozenset[str]]:
    """The models without a ready instance: all of them first, then those that are left; ends when there are none.

    The registry is asked, not the gateway: the gateway may ask for a key, and hides what a policy has disabled or
    keeps for a tenant, which stays so over a restart.

    Args:
        address: Host and port of the registry.
        models: Their ids.
        tls: How the registry is known, and what is shown to it.
    """
    missing = frozenset(models)
    yield missing
    async with channel(address, tls) as opened:
        stub = RegistryServiceStub(opened)
        while missing:
            left = frozenset([model for model in missing if not await _ready(stub, model)])
            if left and left != missing:
                yield left
            missing = left
            if missing:
                await asyncio.sleep(_PAUSE)


async def _ready(stub: RegistryServiceAsyncStub, model_id: str) -> bool:
    try:
        response = await stub.GetModel(pb.GetModelRequest(model_id=model_id), timeout=_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return any(instance.state == pb.INSTANCE_STATE_READY for instance in response.model.instances)
