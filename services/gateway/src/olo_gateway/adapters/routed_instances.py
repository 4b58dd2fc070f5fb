"""Instances of models that are called directly: the router names them; channels to the last few are kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import grpc

from olo.common.v1.common_pb2 import ModelType
from olo.router.v1.router_service_pb2 import Candidate, SelectModelsRequest, SelectModelsResponse
from olo_common.grpc_client import call, open_channel
from olo_common.settings import TlsSettings
from olo_gateway.access.caller import tenant

if TYPE_CHECKING:  # these classes exist for type checkers alone
    from olo.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

CALL_SECONDS: Final = 60.0
"""How long an instance may take."""
_SELECT_SECONDS: Final = 3.0
_MAX_CHANNELS: Final = 32


class RoutedInstances:
    """Finds instances, and keeps the channels to them.

    Args:
        router: Where they are known.
        tls: How they are called; None: without TLS.
    """

    def __init__(self, router: RouterServiceAsyncStub, tls: TlsSettings | None = None) -> None:
        self._router = router
        self._tls = tls
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def candidates(self, model_type: ModelType, model: str, most: int = 1) -> Sequence[Candidate]:
        """Models that may answer, with the address of an instance each, the best first; at least one."""
        selection: SelectModelsResponse = await call(
            self._router.SelectModels,
            SelectModelsRequest(model_type=model_type, model=model, max_candidates=most, tenant=tenant()),
            peer="the router",
            timeout=_SELECT_SECONDS,
        )
        return selection.candidates

    async def channel(self, address: str) -> grpc.aio.Channel:
        """The channel to an instance."""
        channel = self._channels.pop(address, None) or open_channel(address, self._tls)
        self._channels[address] = channel
        if len(self._channels) > _MAX_CHANNELS:
            # Beside the call that needed the room: this waits for the calls that the other channel still has.
            closing = asyncio.create_task(self._channels.popitem(last=False)[1].close(grace=CALL_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return channel

    async def close(self) -> None:
        """Closes the channels."""
        while self._channels:
            await self._channels.popitem()[1].close()
        for closing in list(self._closing):
            closing.cancel()
            await asyncio.wait({closing})
