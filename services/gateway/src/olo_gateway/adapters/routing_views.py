"""What the router knows and would do, asked of it each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from olo.router.v1 import router_service_pb2 as router
from olo_common.grpc_client import call

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_PEER: Final = "the router"
_SECONDS: Final = 3.0


class RoutingViews:
    """Asks the router."""

    def __init__(self, stub: RouterServiceAsyncStub) -> None:
        self._stub = stub

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
