"""What models say of themselves: the router names an instance, which is then asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from olo.common.v1.common_pb2 import MODEL_TYPE_LLM, ModelType
from olo.inference.v1 import inference_service_pb2 as inference
from olo.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from olo.registry.v1 import registry_service_pb2 as registry
from olo.router.v1.router_service_pb2 import (
    ExplainSelectionRequest,
    ExplainSelectionResponse,
    SelectModelsRequest,
    SelectModelsResponse,
)
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_gateway.access.caller import caller, tenant
from olo_gateway.adapters.routed_instances import RoutedInstances
from olo_gateway.convert.forms import tool_messages
from olo_gateway.convert.runs import messages_of
from olo_gateway.runs.order import ChatOrder

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_SECONDS: Final = 3.0
_PEER: Final = "the model"


class InspectedModels:
    """See `ports.Selecting` and `ports.Inspecting`."""

    def __init__(self, router: RouterServiceAsyncStub, instances: RoutedInstances) -> None:
        self._router = router
        self._instances = instances

    async def explain(self, model: str, model_type: ModelType) -> SelectModelsResponse:
        """See `ports.Selecting`."""
        wanted = SelectModelsRequest(model_type=model_type, model=model, max_candidates=1)
        request = ExplainSelectionRequest(request=wanted, tenant=tenant())
        response: ExplainSelectionResponse = await call(
            self._router.ExplainSelection, request, peer="the router", timeout=_SECONDS
        )
        return response.selection

    async def count(self, order: ChatOrder) -> int:
        """See `ports.Inspecting`."""
        caller().check_model(order.model)
        candidate = (await self._instances.candidates(MODEL_TYPE_LLM, order.model))[0]
        stub = InferenceServiceStub(await self._instances.channel(candidate.address))
        request = inference.CountTokensRequest(messages=messages_of(order.turns), tools=tool_messages(order.tools))
        counted: inference.CountTokensResponse = await call(stub.CountTokens, request, peer=_PEER, timeout=_SECONDS)
        return counted.prompt_tokens

    async def info(self, model: registry.Model) -> inference.GetModelInfoResponse | None:
        """See `ports.Inspecting`."""
        ready = (each.address for each in model.instances if each.state == registry.INSTANCE_STATE_READY)
        address = next(ready, "")
        if not address or model.model_type != MODEL_TYPE_LLM:
            return None
        stub = InferenceServiceStub(await self._instances.channel(address))
        request = inference.GetModelInfoRequest()
        try:
            told: inference.GetModelInfoResponse = await call(stub.GetModelInfo, request, peer=_PEER, timeout=_SECONDS)
        except OloError:
            # The rest of what is known is worth telling.
            return None
        return told
