"""Questions about routing: which model would answer, in which order they stand, and who is out of order."""

from __future__ import annotations

from olo.router.v1 import router_service_pb2 as pb
from olo.router.v1.router_service_pb2_grpc import RouterServiceStub
from olo_client.async_calls import AsyncCalls
from olo_client.calls import Calls
from olo_client.constraints import Constraints, constraints_message
from olo_client.errors import InvalidRequestError
from olo_client.requests import model_type

_CANDIDATES = 10


class Routing:
    """Answers of the router."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = RouterServiceStub(calls.channel)

    def explain(
        self, prompt: str, *, model: str = "auto", profile: str = "", constraints: Constraints | None = None
    ) -> pb.SelectModelsResponse:
        """Which models would answer a prompt, in which order and why. Nothing is run."""
        request = _explain_request(prompt, model, profile, constraints)
        return (self._calls.call(self._stub.ExplainSelection, request)).selection

    def rankings(self, profile: str = "", *, kind: str = "llm", limit: int = 100) -> pb.ListRankingsResponse:
        """The order of all models under a profile, whatever their load."""
        request = pb.ListRankingsRequest(profile=profile, model_type=model_type(kind), limit=limit)
        return self._calls.call(self._stub.ListRankings, request)

    def status(self) -> pb.GetStatusResponse:
        """Instances, circuit breakers, profiles, and how old the router's knowledge is."""
        return self._calls.call(self._stub.GetStatus, pb.GetStatusRequest())


class AsyncRouting:
    """Answers of the router."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = RouterServiceStub(calls.channel)

    async def explain(
        self, prompt: str, *, model: str = "auto", profile: str = "", constraints: Constraints | None = None
    ) -> pb.SelectModelsResponse:
        """Which models would answer a prompt, in which order and why. Nothing is run."""
        request = _explain_request(prompt, model, profile, constraints)
        return (await self._calls.call(self._stub.ExplainSelection, request)).selection

    async def rankings(self, profile: str = "", *, kind: str = "llm", limit: int = 100) -> pb.ListRankingsResponse:
        """The order of all models under a profile, whatever their load."""
        request = pb.ListRankingsRequest(profile=profile, model_type=model_type(kind), limit=limit)
        return await self._calls.call(self._stub.ListRankings, request)

    async def status(self) -> pb.GetStatusResponse:
        """Instances, circuit breakers, profiles, and how old the router's knowledge is."""
        return await self._calls.call(self._stub.GetStatus, pb.GetStatusRequest())


def _explain_request(
    prompt: str, model: str, profile: str, constraints: Constraints | None
) -> pb.ExplainSelectionRequest:
    try:
        wanted = constraints_message(constraints) if constraints else None
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "field_invalid", str(error)) from error
    return pb.ExplainSelectionRequest(
        request=pb.SelectModelsRequest(
            model=model,
            allow_fallback=True,
            max_candidates=_CANDIDATES,
            profile=profile,
            constraints=wanted,
            prompt=pb.Prompt(text=prompt[:8192], characters=len(prompt), turns=1),
            prompt_tokens=len(prompt) // 4,
        )
    )
