"""The fleet, from the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from olo.registry.v1 import registry_service_pb2 as registry
from olo_common.grpc_client import call

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

_PEER: Final = "the registry"
_SECONDS: Final = 3.0
_PAGE: Final = 1000
_MEASUREMENTS: Final = 10_000


class RegistryFleet:
    """Asks the registry, each time."""

    def __init__(self, stub: RegistryServiceAsyncStub) -> None:
        self._stub = stub

    async def models(self) -> Sequence[registry.Model]:
        """See `ports.Fleet`."""
        models: list[registry.Model] = []
        token = ""
        while True:
            request = registry.ListModelsRequest(page_size=_PAGE, page_token=token)
            page: registry.ListModelsResponse = await self._call(self._stub.ListModels, request)
            models += page.models
            token = page.next_page_token
            if not token:
                return models

    async def model(self, model_id: str) -> registry.Model:
        """See `ports.Fleet`."""
        request = registry.GetModelRequest(model_id=model_id)
        response: registry.GetModelResponse = await self._call(self._stub.GetModel, request)
        return response.model

    async def aliases(self) -> Sequence[registry.Alias]:
        """See `ports.Fleet`."""
        request = registry.ListAliasesRequest()
        response: registry.ListAliasesResponse = await self._call(self._stub.ListAliases, request)
        return response.aliases

    async def set_alias(self, alias: registry.Alias) -> None:
        """See `ports.Fleet`."""
        await self._call(self._stub.SetAlias, registry.SetAliasRequest(alias=alias))

    async def delete_alias(self, alias: str) -> None:
        """See `ports.Fleet`."""
        await self._call(self._stub.DeleteAlias, registry.DeleteAliasRequest(alias=alias))

    async def measurements(self) -> Sequence[registry.Measurement]:
        """See `ports.Fleet`."""
        request = registry.ListMeasurementsRequest(limit=_MEASUREMENTS)
        response: registry.ListMeasurementsResponse = await self._call(self._stub.ListMeasurements, request)
        return response.measurements

    async def _call(self, method: Any, request: Any) -> Any:
        return await call(method, request, peer=_PEER, timeout=_SECONDS)
