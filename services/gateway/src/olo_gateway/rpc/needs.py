"""What each RPC needs. One that is not listed needs an operator's key; a test holds the lists complete."""

from __future__ import annotations

from typing import Final

from olo_gateway.access.credentials import Need

PUBLIC: Final = frozenset({"grpc.health.v1.Health"})
"""Services that probes of clusters ask."""

USER: Final = frozenset(
    {
        "olo.gateway.v1.GatewayService",
        "olo.gateway.v1.FileService",
        "olo.gateway.v1.BatchService",
        "olo.retrieval.v1.RetrievalService",
        "olo.retrieval.v1.SourceService",
        "olo.retrieval.v1.TransferService",
        "grpc.reflection.v1alpha.ServerReflection",
    }
)

ADMIN: Final = frozenset(
    {
        "olo.retrieval.v1.MigrationService",
        "olo.registry.v1.RegistryService",
        "olo.registry.v1.BenchmarkService",
        "olo.router.v1.RouterService",
    }
)

EXCEPTIONS: Final = {
    # A source reads what the operator has named, whoever's documents that makes.
    "/olo.retrieval.v1.SourceService/CreateSource": Need.ADMIN,
    "/olo.router.v1.RouterService/ExplainSelection": Need.USER,
    "/olo.router.v1.RouterService/ListRankings": Need.USER,
}
"""Calls that need something else than the others of their service."""


def need_of(method: str) -> Need:
    """What a call of this full name, `/service/method`, needs."""
    service = method.lstrip("/").partition("/")[0]
    if method in EXCEPTIONS:
        return EXCEPTIONS[method]
    if service in PUBLIC:
        return Need.NOTHING
    return Need.USER if service in USER else Need.ADMIN
