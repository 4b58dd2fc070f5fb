"""RegistryService over gRPC."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc

from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1 import registry_service_pb2_grpc as pb_grpc
from olo_common.durations import duration_of
from olo_registry import convert
from olo_registry.convert_measurements import limit_of, measurement_message, measurements_of
from olo_registry.curation import Curation
from olo_registry.measuring import Measuring
from olo_registry.registry import Registry
from olo_registry.views import Views

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Translates and calls inward."""

    def __init__(self, registry: Registry, curation: Curation, views: Views, measuring: Measuring) -> None:
        self._registry = registry
        self._curation = curation
        self._views = views
        self._measuring = measuring

    async def RegisterInstance(
        self, request: pb.RegisterInstanceRequest, context: Context
    ) -> pb.RegisterInstanceResponse:
        """Begins or renews a lease."""
        await self._registry.register(convert.announcement_of(request.announcement))
        return pb.RegisterInstanceResponse(lease=duration_of(timedelta(seconds=self._registry.lease_seconds)))

    async def DeregisterInstance(
        self, request: pb.DeregisterInstanceRequest, context: Context
    ) -> pb.DeregisterInstanceResponse:
        """Ends a lease."""
        await self._registry.deregister(request.instance_id)
        return pb.DeregisterInstanceResponse()

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists one page of the catalogue."""
        after, size = convert.page_of(request)
        views, more = self._views.models(after, size, convert.model_type_of(request.model_type))
        token = convert.page_token(views[-1].entry.model_id) if more else ""
        return pb.ListModelsResponse(models=[convert.model_message(view) for view in views], next_page_token=token)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Returns one model."""
        return pb.GetModelResponse(model=convert.model_message(self._views.model(request.model_id)))

    async def UpdateModel(self, request: pb.UpdateModelRequest, context: Context) -> pb.UpdateModelResponse:
        """Sets the operator's policy."""
        await self._curation.update(request.model.model_id, convert.change_of(request))
        return pb.UpdateModelResponse(model=convert.model_message(self._views.model(request.model.model_id)))

    async def DrainInstances(self, request: pb.DrainInstancesRequest, context: Context) -> pb.DrainInstancesResponse:
        """Has instances finish their work."""
        told = await self._registry.drain(instance_id=request.instance_id, model_id=request.model_id)
        return pb.DrainInstancesResponse(instance_ids=[instance.instance_id for instance in told])

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        """Lists the aliases."""
        return pb.ListAliasesResponse(aliases=[convert.alias_message(alias) for alias in self._views.aliases()])

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.SetAliasResponse:
        """Makes or replaces an alias."""
        alias = convert.alias_of(request.alias)
        await self._curation.set_alias(alias)
        return pb.SetAliasResponse(alias=convert.alias_message(alias))

    async def DeleteAlias(self, request: pb.DeleteAliasRequest, context: Context) -> pb.DeleteAliasResponse:
        """Ends an alias."""
        await self._curation.delete_alias(request.alias)
        return pb.DeleteAliasResponse()

    async def WatchModels(
        self, request: pb.WatchModelsRequest, context: Context
    ) -> AsyncIterator[pb.WatchModelsResponse]:
        """Sends a snapshot or what was missed, then each change."""
        async with contextlib.aclosing(self._views.watch(request.registry_epoch, request.version)) as updates:
            async for update in updates:
                yield convert.update_message(update)

    async def ReportMeasurements(
        self, request: pb.ReportMeasurementsRequest, context: Context
    ) -> pb.ReportMeasurementsResponse:
        """Stores what a router has measured."""
        await self._measuring.report(measurements_of(request))
        return pb.ReportMeasurementsResponse()

    async def ListMeasurements(
        self, request: pb.ListMeasurementsRequest, context: Context
    ) -> pb.ListMeasurementsResponse:
        """Returns what routers have measured."""
        measurements = await self._measuring.list(limit_of(request))
        return pb.ListMeasurementsResponse(measurements=[measurement_message(each) for each in measurements])
