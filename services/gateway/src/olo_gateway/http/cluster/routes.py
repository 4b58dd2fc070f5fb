"""/api/cluster, /api/nodes, /api/queue and /admin."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Response

from olo_common.metrics import PAGE_TYPE, page
from olo_gateway.errors import NodeNotFound
from olo_gateway.http.cluster import schemas
from olo_gateway.http.cluster.cluster import Cluster
from olo_gateway.http.cluster.process import Process
from olo_gateway.http.schemas import AN_ERROR

_AWAY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "The registry is away.", **AN_ERROR}}
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No live instance is on such a node.", **AN_ERROR}
}
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


def cluster_routes(cluster: Cluster, process: Process) -> APIRouter:
    """The routes about nodes, models and queues."""
    router = APIRouter(tags=["cluster"])

    @router.get("/api/cluster/models", summary="List the models with their instances", responses=_AWAY)
    async def models() -> schemas.ClusterModels:
        return await cluster.models()

    @router.get("/api/cluster/status", summary="Show how the cluster is")
    async def status() -> schemas.ClusterStatus:
        return await cluster.status()

    @router.get("/api/cluster/metrics", summary="Show what was measured of the models")
    async def metrics() -> schemas.ClusterMetrics:
        return await cluster.metrics()

    @router.get("/api/nodes", summary="List the nodes", responses=_AWAY)
    async def nodes() -> schemas.Nodes:
        return schemas.Nodes(nodes=await cluster.nodes())

    @router.get(
        "/api/nodes/{name}/models", summary="List the models that have instances on a node", responses=_UNKNOWN | _AWAY
    )
    async def node_models(name: str) -> schemas.ClusterModels:
        found = [model for model in (await cluster.models()).models if name in model.nodes]
        if not found:
            raise NodeNotFound
        for model in found:
            model.instances = [instance for instance in model.instances if instance.node == name]
        return schemas.ClusterModels(models=found)

    @router.get("/api/queue/status", summary="Show what waits, at this gateway and in the queues of the models")
    async def queues() -> schemas.QueueStatus:
        return await cluster.queues()

    # Where Prometheus looks unless told otherwise; the description tells of the other address.
    router.add_api_route("/metrics", _prometheus, response_class=Response, include_in_schema=False)
    router.include_router(_admin_routes(cluster, process))
    return router


async def _prometheus() -> Response:
    # It waits for figures that are read on this loop.
    return Response(await asyncio.to_thread(page), media_type=PAGE_TYPE)


def _admin_routes(cluster: Cluster, process: Process) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["admin"])

    @router.get(
        "/health",
        summary="Show the health of parts and nodes",
        responses={503: {"model": schemas.Health, "description": "This gateway cannot serve."}},
    )
    async def health(response: Response) -> schemas.Health:
        checked = await cluster.checked()
        response.status_code = 503 if checked.status == "unavailable" else 200
        return checked

    @router.get("/metrics", summary="Show what this gateway uses, and how full it is")
    async def metrics() -> schemas.SystemMetrics:
        return process.metrics(cluster.admitted())

    router.add_api_route(
        "/metrics/prometheus",
        _prometheus,
        name="prometheus",
        response_class=Response,
        summary="Show the metrics of this process in Prometheus' format",
        description="The gateway's own are among them where OLO_GATEWAY_METRICS_PORT is set.",
        responses=_TEXT,
    )

    @router.get("/system", summary="Show what this gateway is, and what it runs on")
    async def system() -> schemas.System:
        return process.described()

    @router.get("/performance", summary="Show latencies, failures and circuit breakers")
    async def performance() -> schemas.Performance:
        return await cluster.performance()

    return router
