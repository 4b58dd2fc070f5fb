"""What Temporal can tell of a run beside its state: what it is busy with, and what it has done so far.

Three sources, none of which costs a run that nobody asks about anything: the memo, which a run that is parked sets; the
server's own account of pending activities; and a query, which a worker must be there to answer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import (
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError, TemporalError

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatResponse, Run, RunDetails, RunProgress
from olo_contracts.queues import GENERATE_ACTIVITY, PROGRESS_MEMO, RUN_QUERY

_QUERY_SECONDS: Final = 1.5
"""How long a worker may take to tell; without its word, the server's must do."""


async def parked(execution: WorkflowExecution) -> RunProgress | None:
    """The progress of a parked run; it is part of a listing, too. None also where it cannot be read."""
    try:
        found = await execution.memo_value(PROGRESS_MEMO, None, type_hint=RunProgress)
    except ApplicationError:
        return None
    return found if isinstance(found, RunProgress) else None


async def progress_of(description: WorkflowExecutionDescription) -> RunProgress | None:
    """What the server knows of a running run's progress."""
    if (told := await parked(description)) is not None:
        return told
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name != GENERATE_ACTIVITY:
            continue
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
            return _since(run_pb2.RUN_PHASE_QUEUED, pending.scheduled_time)
        return _since(run_pb2.RUN_PHASE_GENERATING, pending.last_started_time)
    return None


async def account_of(handle: WorkflowHandle[object, ChatResponse]) -> Run:
    """What the run itself tells, of its progress and details; nothing where no worker answers in time."""
    try:
        account: Run = await handle.query(RUN_QUERY, result_type=Run, rpc_timeout=timedelta(seconds=_QUERY_SECONDS))
    except (TemporalError, RuntimeError):
        return Run()
    return account


def post_mortem_of(failure: WorkflowFailureError) -> RunDetails | None:
    """What a failed run has left beside its error."""
    details = failure.cause.details if isinstance(failure.cause, ApplicationError) else ()
    return next((detail for detail in details if isinstance(detail, RunDetails)), None)


def _since(phase: run_pb2.RunPhase, moment: Timestamp) -> RunProgress:
    return RunProgress(phase=phase, since_time=moment)
