"""Shadows as Temporal workflows, named after the runs that they shadow.

They are started beside the run and not by it: a child would have to be started before the run may end, which its caller
would wait for. One that is lost with its process is not missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import Priority as TaskPriority
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from olo.gateway.v1.run_pb2 import RUN_STATE_COMPLETED, ChatResponse, ShadowRequest, ShadowRun
from olo_common.lifecycle import Lifetime, background
from olo_contracts.queues import CHAT_QUEUE, SHADOW_WORKFLOW
from olo_gateway.adapters.run_states import run_of
from olo_gateway.convert.mirroring import GRACE, MAX_TIME
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.identity import shadow_id_of

_MOST: Final = 256
"""Shadows that wait to be started; further ones are left out."""
_START_SECONDS: Final = 2.0
_FIND_SECONDS: Final = 2.0
"""How long a run, whose answer is there already, is kept from its reader."""


class ShadowStarts:
    """Starts shadows, one after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: asyncio.Queue[ShadowRequest] = asyncio.Queue(_MOST)

    def mirror(self, request: ShadowRequest) -> None:
        """See `ports.Shadows`."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(request)

    async def run(self) -> None:
        """Starts for ever."""
        while True:
            request = await self._waiting.get()
            # It has been started already, or Temporal is away.
            with contextlib.suppress(TemporalError, RPCError, RuntimeError):
                await self._start(request)

    async def _start(self, request: ShadowRequest) -> None:
        await self._client.start_workflow(
            SHADOW_WORKFLOW,
            request,
            id=shadow_id_of(request.run_id),
            task_queue=CHAT_QUEUE,
            execution_timeout=request.run_timeout.ToTimedelta() + GRACE + MAX_TIME + GRACE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            priority=TaskPriority(priority_key=Priority.BATCH.value, fairness_key=request.tenant),
            rpc_timeout=timedelta(seconds=_START_SECONDS),
        )


@asynccontextmanager
async def shadow_starts(client: Client, lifetime: Lifetime) -> AsyncIterator[ShadowStarts]:
    """Starts shadows while entered."""
    starts = ShadowStarts(client)
    async with background(starts.run(), "shadow-starts", lifetime):
        yield starts


async def shadow_of(client: Client, response: ChatResponse) -> ShadowRun | None:
    """What became of the shadow; None where none was drawn, or nobody can tell."""
    if not response.selection.HasField("shadow") or response.selection.shadow.skipped:
        return None
    handle = client.get_workflow_handle(shadow_id_of(response.run_id), result_type=ShadowRun)
    try:
        async with asyncio.timeout(_FIND_SECONDS):
            state = run_of(await handle.describe(rpc_timeout=timedelta(seconds=_FIND_SECONDS))).state
            return await handle.result(follow_runs=False) if state == RUN_STATE_COMPLETED else ShadowRun(state=state)
    except (TemporalError, RPCError, RuntimeError, TimeoutError):
        return None
