"""GET /v1/rankings and GET /v1/status: what the router knows and would do."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING, MODEL_TYPE_LLM
from olo.router.v1.router_service_pb2 import (
    ListRankingsRequest,
)
from olo_gateway.access.caller import tenant
from olo_gateway.http import routing_schemas as schemas
from olo_gateway.http.routing_answers import rankings_of, status_of
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Routing

_TYPES: Final = {"llm": MODEL_TYPE_LLM, "embedding": MODEL_TYPE_EMBEDDING}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "There is no such profile.", **AN_ERROR},
    503: {"description": "The router is away, or knows nothing recent.", **AN_ERROR},
}


def routing_routes(routing: Routing) -> APIRouter:
    """The routes about routing."""
    router = APIRouter(tags=["routing"])

    @router.get("/v1/rankings", summary="Rank the models under a profile", responses=_ERRORS)
    async def rankings(
        profile: Annotated[str, Query(max_length=64, description="Empty: the router's default.")] = "",
        type: Annotated[Literal["llm", "embedding"], Query(description="What the models do.")] = "llm",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> schemas.Rankings:
        request = ListRankingsRequest(profile=profile, model_type=_TYPES[type], limit=limit, tenant=tenant())
        return rankings_of(await routing.rankings(request))

    @router.get(
        "/v1/status", summary="Show instances, circuit breakers and the age of what is known", responses=_ERRORS
    )
    async def status() -> schemas.RoutingStatus:
        return status_of(await routing.status(), await routing.syncs())

    return router
