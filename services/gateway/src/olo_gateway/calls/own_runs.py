"""The runs of whoever calls: those of other tenants are not there."""

from __future__ import annotations

from olo.gateway.v1.gateway_service_pb2 import TraceRunResponse
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run, RunProgress
from olo_gateway.access.caller import tenant
from olo_gateway.ports import Runs
from olo_gateway.runs.identity import own_run_id


class OwnRuns:
    """See `ports.Runs`. Whatever id a caller gives, it is looked for among their tenant's runs alone.

    Args:
        runs: The runs of all tenants.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def start(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        """See `ports.Runs`."""
        await self._runs.start(_own(run_id), request, fingerprint)

    async def exists(self, run_id: str) -> bool:
        """See `ports.Runs`."""
        return await self._runs.exists(_own(run_id))

    async def result(self, run_id: str, timeout: float) -> ChatResponse:
        """See `ports.Runs`."""
        return await self._runs.result(_own(run_id), timeout)

    async def cancel(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        return await self._runs.cancel(_own(run_id))

    async def get(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        return await self._runs.get(_own(run_id))

    async def progress(self, run_id: str) -> RunProgress:
        """See `ports.Runs`."""
        return await self._runs.progress(_own(run_id))

    async def request(self, run_id: str) -> ChatRequest:
        """See `ports.Runs`."""
        return await self._runs.request(_own(run_id))

    async def trace(self, run_id: str) -> TraceRunResponse:
        """See `ports.Runs`."""
        return await self._runs.trace(_own(run_id))

    async def delete(self, run_id: str) -> None:
        """See `ports.Runs`."""
        await self._runs.delete(_own(run_id))

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        """See `ports.Runs`."""
        return await self._runs.list(page_size, page_token)


def _own(run_id: str) -> str:
    return own_run_id(run_id, tenant())
