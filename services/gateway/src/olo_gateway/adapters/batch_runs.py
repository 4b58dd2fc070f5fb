"""Batches as Temporal workflows: the batch's id is the workflow's."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import Priority as TaskPriority
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import TemporalError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from olo.gateway.v1.batch_service_pb2 import Batch, BatchWork
from olo_contracts.queues import BATCH_QUERY, BATCH_QUEUE, BATCH_WORKFLOW
from olo_gateway.adapters.temporal_failures import temporal_errors
from olo_gateway.errors import BatchEnded, BatchNotFound
from olo_gateway.runs.admission.priority import Priority

_RPC_SECONDS: Final = 5.0
_QUERY_SECONDS: Final = 2.0


class TemporalBatches:
    """Starts, shows and steers batches."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, work: BatchWork) -> bool:
        """Returns once the batch is certain to run, or to have run; False where it was there before.

        Raises:
            Unavailable: Nobody can say.
        """
        with contextlib.suppress(WorkflowAlreadyStartedError), temporal_errors(BatchNotFound):
            async with asyncio.timeout(_RPC_SECONDS):
                await self._client.start_workflow(
                    BATCH_WORKFLOW,
                    work,
                    id=work.batch.batch_id,
                    task_queue=BATCH_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    priority=TaskPriority(priority_key=Priority.BATCH.value, fairness_key=work.tenant),
                    rpc_timeout=timedelta(seconds=_RPC_SECONDS),
                )
                return True
        return False

    async def ended(self, batch_id: str) -> bool:
        """Whether its workflow has ended, well or not.

        Raises:
            BatchNotFound: There is no such workflow.
            Unavailable: Nobody can say.
        """
        with temporal_errors(BatchNotFound):
            async with asyncio.timeout(_RPC_SECONDS):
                described = await self._handle(batch_id).describe(rpc_timeout=timedelta(seconds=_RPC_SECONDS))
        return described.status is not WorkflowExecutionStatus.RUNNING

    async def so_far(self, batch_id: str) -> Batch | None:
        """What a running batch tells of itself; None where it cannot now."""
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                told: Batch = await self._handle(batch_id).query(
                    BATCH_QUERY, result_type=Batch, rpc_timeout=timedelta(seconds=_QUERY_SECONDS)
                )
                return told
        except (RPCError, RuntimeError, TimeoutError, WorkflowQueryFailedError):
            return None

    async def outcome(self, batch_id: str) -> Batch | None:
        """The batch as it has ended; None where it has not, or not well, or nobody can say."""
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                return await self._handle(batch_id).result(rpc_timeout=timedelta(seconds=_QUERY_SECONDS))
        except (TemporalError, RPCError, RuntimeError, TimeoutError):
            return None

    async def signal(self, batch_id: str, signal: str) -> None:
        """Tells a batch something.

        Raises:
            BatchEnded: It has ended.
            Unavailable: It cannot be told now.
        """
        try:
            with temporal_errors(BatchNotFound):
                async with asyncio.timeout(_RPC_SECONDS):
                    handle = self._handle(batch_id)
                    await handle.signal(signal, rpc_timeout=timedelta(seconds=_RPC_SECONDS))
        except BatchNotFound:
            raise BatchEnded from None

    def _handle(self, batch_id: str) -> WorkflowHandle[object, Batch]:
        return self._client.get_workflow_handle(batch_id, result_type=Batch)
