"""Workflow executions as runs."""

from __future__ import annotations

from typing import Final

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import Run

_STATES: Final = {
    WorkflowExecutionStatus.RUNNING: run_pb2.RUN_STATE_RUNNING,
    WorkflowExecutionStatus.COMPLETED: run_pb2.RUN_STATE_COMPLETED,
    WorkflowExecutionStatus.FAILED: run_pb2.RUN_STATE_FAILED,
    WorkflowExecutionStatus.CANCELED: run_pb2.RUN_STATE_CANCELLED,
    WorkflowExecutionStatus.TERMINATED: run_pb2.RUN_STATE_CANCELLED,
    WorkflowExecutionStatus.TIMED_OUT: run_pb2.RUN_STATE_TIMED_OUT,
}


def run_of(execution: WorkflowExecution) -> Run:
    """The run, without answer and error."""
    state = run_pb2.RUN_STATE_UNSPECIFIED
    if execution.status is not None:
        state = _STATES.get(execution.status, run_pb2.RUN_STATE_UNSPECIFIED)
    run = Run(run_id=execution.id, state=state)
    run.create_time.FromDatetime(execution.start_time)
    if execution.close_time is not None:
        run.end_time.FromDatetime(execution.close_time)
    return run
