"""What the router knows and would do, and how fresh the registry's benchmarks are, asked of them each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from olo.registry.v1 import benchmark_service_pb2 as benchmark
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import OloError
from olo_common.grpc_client import call

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.registry.v1.benchmark_service_pb2_grpc import BenchmarkServiceAsyncStub
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_PEER: Final = "the router"
_SECONDS: Final = 3.0


class RoutingViews:
    """Asks the router and the registry."""

    def __init__(self, stub: RouterServiceAsyncStub, benchmarks: BenchmarkServiceAsyncStub) -> None:
        self._stub = stub
        self._benchmarks = benchmarks

    async def rankings(self, request: router.ListRankingsRequest) -> router.ListRankingsResponse:
        """See `ports.Routing`."""
        response: router.ListRankingsResponse = await call(
            self._stub.ListRankings, request, peer=_PEER, timeout=_SECONDS
        )
        return response

    async def status(self) -> router.GetStatusResponse:
        """See `ports.Routing`."""
        response: router.GetStatusResponse = await call(
            self._stub.GetStatus, router.GetStatusRequest(), peer=_PEER, timeout=_SECONDS
        )
        return response

    async def syncs(self) -> Sequence[benchmark.BenchmarkSource] | None:
        """See `ports.Routing`."""
        request = benchmark.ListBenchmarkSourcesRequest()
        try:
            response: benchmark.ListBenchmarkSourcesResponse = await call(
                self._benchmarks.ListBenchmarkSources, request, peer="the registry", timeout=_SECONDS
            )
        except OloError:
            # The status is asked for most when something is away.
            return None
        return response.sources
