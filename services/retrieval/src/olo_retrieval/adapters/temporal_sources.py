"""A Temporal schedule for each source: it starts the syncs, at an interval or by hand, one at a time."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from olo.retrieval.v1.source_service_pb2 import SyncWorkflowInput
from olo_common.errors import Unavailable
from olo_common.payload_codec import EncryptedPayloads
from olo_contracts.queues import SYNC_QUEUE, SYNC_SOURCE_WORKFLOW
from olo_retrieval.sources.model import Source

_CALL_TIMEOUT = timedelta(seconds=5)
_CATCH_UP = timedelta(minutes=10)


class TemporalSyncStarter:
    """A SyncStarter."""

    def __init__(self, client: Client) -> None:
        self._client = client
        codec = client.data_converter.payload_codec
        self._encrypts = isinstance(codec, EncryptedPayloads) and codec.encrypts

    async def keep(self, source: Source) -> None:
        """See `ports.SyncStarter`."""

        def renewed(known: ScheduleUpdateInput) -> ScheduleUpdate:
            # An operator may have changed the rest.
            known.description.schedule.action = _schedule(source).action
            return ScheduleUpdate(known.description.schedule)

        if await self._made(source) or not self._encrypts:
            return
        try:
            handle = self._client.get_schedule_handle(source.workflow_id)
            await handle.update(renewed, rpc_timeout=_CALL_TIMEOUT)
        except (RPCError, RuntimeError) as error:
            raise _away() from error

    async def _made(self, source: Source) -> bool:
        """Makes the schedule; false: there is one."""
        try:
            await self._client.create_schedule(source.workflow_id, _schedule(source), rpc_timeout=_CALL_TIMEOUT)
        except ScheduleAlreadyRunningError:
            return False
        except (RPCError, RuntimeError) as error:
            raise _away() from error
        return True

    async def start(self, source: Source, *, after_running: bool) -> None:
        """Starts it now; where it runs, `after_running` starts it once more afterwards."""
        await self._made(source)
        overlap = ScheduleOverlapPolicy.BUFFER_ONE if after_running else ScheduleOverlapPolicy.SKIP
        try:
            handle = self._client.get_schedule_handle(source.workflow_id)
            await handle.trigger(overlap=overlap, rpc_timeout=_CALL_TIMEOUT)
        except (RPCError, RuntimeError) as error:
            raise _away() from error

    async def drop(self, source_workflow_id: str) -> None:
        """Ends its schedule; none is no error."""
        try:
            await self._client.get_schedule_handle(source_workflow_id).delete(rpc_timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _away() from error
        except RuntimeError as error:
            raise _away() from error


def _schedule(source: Source) -> Schedule:
    every = timedelta(seconds=source.interval_seconds) if source.interval_seconds else None
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SYNC_SOURCE_WORKFLOW,
            SyncWorkflowInput(
                tenant=source.tenant,
                collection=source.collection,
                source_id=source.source_id,
                source_uid=source.uid,
                schedule_id=source.workflow_id,
            ),
            id=source.workflow_id,
            task_queue=SYNC_QUEUE,
        ),
        # Without an interval nothing but a call starts it.
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)] if every else [], jitter=every and every / 20),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )


def _away() -> Unavailable:
    return Unavailable("Temporal is not reachable, so the source is not synced", retry_after=2.0)
