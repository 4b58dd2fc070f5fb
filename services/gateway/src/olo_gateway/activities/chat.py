"""The local activities of the chat workflow: short calls to other services."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from olo.gateway.v1.run_pb2 import ShadowRequest
from olo.registry.v1.registry_service_pb2 import GetModelRequest, GetModelResponse
from olo.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
from olo.router.v1.router_service_pb2 import SelectModelsRequest, SelectModelsResponse
from olo_common.errors import ErrorCode, OloError, Unavailable
from olo_common.failures import to_application_error
from olo_common.grpc_client import call
from olo_common.grpc_interceptors import REQUEST_ID_KEY
from olo_common.payload_room import MOST_INLINE_BYTES, bytes_beyond
from olo_contracts.queues import GET_MODEL_ACTIVITY, RETRIEVE_ACTIVITY, SELECT_ACTIVITY
from olo_gateway.errors import PassagesTooLarge
from olo_gateway.ports import ParkedRuns, Shadows
from olo_gateway.runs.attempts import NOBODY_THERE

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub
    from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceAsyncStub
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

RETRIEVE_SECONDS: Final = 5.0
SELECT_SECONDS: Final = 2.0
REGISTRY_SECONDS: Final = 2.0

PASSAGES_SHARE: Final = 0.75
"""Of the largest payload that is taken, for the passages of a search: the task and the answer of the run hold them,
too."""

# A router that says that nobody can answer has answered: the caller is told at once.
_ROUTER_AWAY: Final = (Unavailable.reason,)
_REGISTRY_AWAY: Final = (Unavailable.reason,)
# An embedding model that is away is a part of the search that is away, as the retrieval service itself may be.
_SEARCH_AWAY: Final = (Unavailable.reason, "model_unavailable", "no_model_available")


class ChatActivities:
    """What the chat workflow asks of retrieval, router and registry.

    Args:
        retrieval: Finds passages.
        router: Orders models.
        registry: Knows who lives.
        parked: Is told which runs wait for a model.
        shadows: Is told whose request was drawn to be mirrored.
        most_bytes: The largest payload that is taken.
    """

    def __init__(
        self,
        retrieval: RetrievalServiceAsyncStub,
        router: RouterServiceAsyncStub,
        registry: RegistryServiceAsyncStub,
        parked: ParkedRuns,
        shadows: Shadows,
        *,
        most_bytes: int = MOST_INLINE_BYTES,
    ) -> None:
        self._most_passage_bytes = int(most_bytes * PASSAGES_SHARE)
        self._retrieval = retrieval
        self._router = router
        self._registry = registry
        self._parked = parked
        self._shadows = shadows

    @activity.defn(name=RETRIEVE_ACTIVITY)
    async def retrieve(self, request: SearchRequest) -> SearchResponse:
        """Finds the passages for a question."""
        response: SearchResponse = await _ask(
            self._retrieval.Search, request, "the retrieval service", RETRIEVE_SECONDS, away=_SEARCH_AWAY
        )
        most = self._most_passage_bytes
        if size := bytes_beyond(most, response, activity.payload_converter()):
            raise to_application_error(PassagesTooLarge(size, most), retryable=False)
        return response

    @activity.defn(name=SELECT_ACTIVITY)
    async def select(self, request: SelectModelsRequest, takes_hints: bool = False) -> SelectModelsResponse:
        """Orders the models that may answer. A run that takes hints is told when an instance announces itself."""
        run_id = activity.info().workflow_id or ""
        if takes_hints:
            # Before the question: what is announced while the router answers must not be missed.
            self._parked.add(run_id)
        try:
            response: SelectModelsResponse = await _ask(
                self._router.SelectModels, request, "the router", SELECT_SECONDS, away=_ROUTER_AWAY
            )
        except ApplicationError as error:
            if error.type not in (*NOBODY_THERE, Unavailable.reason):
                self._parked.discard(run_id)
            raise
        self._parked.discard(run_id)
        if response.HasField("shadow") and not response.shadow.skipped:
            told = ShadowRequest(run_id=run_id, shadow=response.shadow, tenant=request.tenant)
            told.run_timeout.CopyFrom(request.deadline)
            self._shadows.mirror(told)
        return response

    @activity.defn(name=GET_MODEL_ACTIVITY)
    async def get_model(self, request: GetModelRequest) -> GetModelResponse:
        """Shows a model with its live instances."""
        response: GetModelResponse = await _ask(
            self._registry.GetModel, request, "the registry", REGISTRY_SECONDS, away=_REGISTRY_AWAY
        )
        return response


async def _ask(method: Any, request: Any, peer: str, seconds: float, *, away: Container[str]) -> Any:
    """Asks a peer; failures with a reason in `away` pass, so that the step is tried again."""
    metadata = ((REQUEST_ID_KEY, activity.info().workflow_id or ""),)
    try:
        return await call(method, request, peer=peer, timeout=seconds, metadata=metadata)
    except OloError as error:
        if error.code is ErrorCode.DEADLINE_EXCEEDED:
            # The peer was slow; the run's own deadline is another matter.
            error = Unavailable(f"{peer} does not answer", retry_after=1.0)
        raise to_application_error(error, retryable=error.reason in away) from error
