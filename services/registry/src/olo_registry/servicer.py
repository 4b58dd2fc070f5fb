"""RegistryService over gRPC."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1 import registry_service_pb2_grpc as pb_grpc
from olo_registry import convert
from olo_registry.registry import Registry

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Translates and calls inward."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def RegisterInstance(  # noqa: N802  # the name in the contract
        self, request: pb.RegisterInstanceRequest, context: Context
    ) -> pb.RegisterInstanceResponse:
        """Begins or renews a lease."""
        await self._registry.register(convert.announcement_of(request.announcement))
        return pb.RegisterInstanceResponse(lease=convert.duration(self._registry.lease_seconds))

    async def DeregisterInstance(  # noqa: N802  # the name in the contract
        self, request: pb.DeregisterInstanceRequest, context: Context
    ) -> pb.DeregisterInstanceResponse:
        """Ends a lease."""
        await self._registry.deregister(request.instance_id)
        return pb.DeregisterInstanceResponse()

    async def ListModels(  # noqa: N802  # the name in the contract
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        """Lists one page of the catalogue."""
        after, size = convert.page_of(request)
        views, more = self._registry.models(after, size, convert.model_type_of(request.model_type))
        token = convert.page_token(views[-1].entry.model_id) if more else ""
        return pb.ListModelsResponse(models=[convert.model_message(view) for view in views], next_page_token=token)

    async def GetModel(  # noqa: N802  # the name in the contract
        self, request: pb.GetModelRequest, context: Context
    ) -> pb.GetModelResponse:
        """Returns one model."""
        return pb.GetModelResponse(model=convert.model_message(self._registry.model(request.model_id)))

    async def UpdateModel(  # noqa: N802  # the name in the contract
        self, request: pb.UpdateModelRequest, context: Context
    ) -> pb.UpdateModelResponse:
        """Sets the operator's policy."""
        view = await self._registry.update(request.model.model_id, convert.change_of(request))
        return pb.UpdateModelResponse(model=convert.model_message(view))

    async def WatchModels(  # noqa: N802  # the name in the contract
        self, request: pb.WatchModelsRequest, context: Context
    ) -> AsyncIterator[pb.WatchModelsResponse]:
        """Sends a snapshot, then each change."""
        async with contextlib.aclosing(self._registry.watch()) as updates:
            async for update in updates:
                yield convert.update_message(update)
