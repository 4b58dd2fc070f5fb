"""The catalogue of models, from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from olo.common.v1.common_pb2 import ModelType
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.registry.v1 import registry_service_pb2 as registry
from olo_common.grpc_client import call
from olo_gateway.access.caller import caller
from olo_gateway.errors import ModelNotFound

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

_PEER: Final = "the registry"
_SECONDS: Final = 3.0


class RegistryCatalogue:
    """Asks the registry, each time."""

    def __init__(self, stub: RegistryServiceAsyncStub) -> None:
        self._stub = stub

    async def list(self, page_size: int, page_token: str, model_type: ModelType) -> gateway.ListModelsResponse:
        """See `ports.Catalogue`."""
        request = registry.ListModelsRequest(page_size=page_size, page_token=page_token, model_type=model_type)
        page: registry.ListModelsResponse = await call(self._stub.ListModels, request, peer=_PEER, timeout=_SECONDS)
        return gateway.ListModelsResponse(
            models=[
                _summary(model) for model in page.models if caller().may_see(model.model_id, model.allowed_tenants)
            ],
            next_page_token=page.next_page_token,
        )

    async def get(self, model_id: str) -> gateway.ModelSummary:
        """See `ports.Catalogue`."""
        request = registry.GetModelRequest(model_id=model_id)
        response: registry.GetModelResponse = await call(self._stub.GetModel, request, peer=_PEER, timeout=_SECONDS)
        if not caller().may_see(response.model.model_id, response.model.allowed_tenants):
            raise ModelNotFound
        return _summary(response.model)


def _summary(model: registry.Model) -> gateway.ModelSummary:
    ready = any(instance.state == registry.INSTANCE_STATE_READY for instance in model.instances)
    return gateway.ModelSummary(
        model_id=model.model_id,
        model_name=model.model_name,
        model_type=model.model_type,
        priority=model.priority,
        default_flag=model.default_flag,
        context_limit=model.context_limit,
        max_concurrency=model.max_concurrency,
        in_flight=sum(instance.in_flight for instance in model.instances),
        instances=len(model.instances),
        hardware_type=model.hardware_type,
        available=model.enabled and ready,
        create_time=model.create_time if model.HasField("create_time") else None,
    )
