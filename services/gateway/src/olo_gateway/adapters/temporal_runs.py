"""Runs as Temporal workflows: the run's id is the workflow's."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from temporalio.api.common.v1 import WorkflowExecution as WorkflowExecutionId
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from olo.gateway.v1.gateway_service_pb2 import TraceRunResponse
from olo.gateway.v1.run_pb2 import (
    RUN_STATE_FAILED,
    RUN_STATE_RUNNING,
    ChatRequest,
    ChatResponse,
    Run,
    RunError,
    RunProgress,
)
from olo_common.errors import Unavailable
from olo_common.failures import from_failure
from olo_common.payload_room import ended_as_too_large
from olo_contracts.queues import CHAT_QUEUE, CHAT_WORKFLOW
from olo_gateway.access.caller import tenant
from olo_gateway.adapters.page_tokens import unwrapped, wrapped
from olo_gateway.adapters.places_in_line import show_place
from olo_gateway.adapters.run_accounts import account_of, parked, post_mortem_of, progress_of
from olo_gateway.adapters.run_states import run_of
from olo_gateway.adapters.run_traces import steps_of
from olo_gateway.adapters.shadow_runs import shadow_of
from olo_gateway.adapters.temporal_failures import RETRY_AFTER, error_of, temporal_errors
from olo_gateway.convert.runs import priority_of
from olo_gateway.errors import DeadlineExceeded, RequestIdConflict, RunNotFound
from olo_gateway.runs.identity import run_prefix

EXECUTION_GRACE: Final = timedelta(seconds=5)
"""The workflow keeps its deadline itself; Temporal ends it this much later if it cannot."""

RPC_SECONDS: Final = 5.0
"""A short outage of Temporal is waited out; after a longer one the caller is told to come back."""

TRACE_SECONDS: Final = 15.0
"""How long it may take to read a history, which may have thousands of events and results that are stored apart."""

_ASK_AGAIN_SECONDS: Final = 0.5
DELETE_SECONDS: Final = 90.0
"""How long a deletion may take before the caller is told to come back. Temporal takes about half a minute: it first
makes sure that its queues need the run no more."""
_LOOK_AGAIN_SECONDS: Final = 0.5
_MEMO_KEY: Final = "fingerprint"
_QUERY: Final = f"WorkflowType = '{CHAT_WORKFLOW}'"

_Handle = WorkflowHandle[object, ChatResponse]


class TemporalRuns:
    """Starts, awaits and shows runs.

    Args:
        client: The client, which the workflow worker of this process shares.
        eager: Whether there is such a worker, so that a start can hand it the first task at once.
        ui: Where Temporal's web interface is; empty: nobody knows.
    """

    def __init__(self, client: Client, *, eager: bool, ui: str = "") -> None:
        self._client = client
        self._eager = eager
        self._ui = ui.rstrip("/")

    async def start(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        """See `ports.Runs`."""
        try:
            with temporal_errors(RunNotFound):
                async with asyncio.timeout(RPC_SECONDS):
                    await self._client.start_workflow(
                        CHAT_WORKFLOW,
                        request,
                        id=run_id,
                        task_queue=CHAT_QUEUE,
                        execution_timeout=request.timeout.ToTimedelta() + EXECUTION_GRACE,
                        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                        # A run that is under way is told of like one that has ended: only then has it to be looked at.
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                        memo={_MEMO_KEY: fingerprint},
                        # Its activities inherit it: model queues give out tasks by urgency, and fairly among tenants.
                        priority=Priority(
                            priority_key=priority_of(request.priority).value, fairness_key=request.tenant
                        ),
                        request_eager_start=self._eager,
                        rpc_timeout=timedelta(seconds=RPC_SECONDS),
                    )
        except WorkflowAlreadyStartedError:
            # The id that the caller has chosen is in use, by this request or by another one.
            if await self._memo(run_id) != fingerprint:
                raise RequestIdConflict from None

    async def exists(self, run_id: str) -> bool:
        """See `ports.Runs`."""
        try:
            await self._describe(run_id)
        except RunNotFound:
            return False
        return True

    async def result(self, run_id: str, timeout: float) -> ChatResponse:
        """See `ports.Runs`. Outages of Temporal are waited out: the run goes on when it is back."""
        handle: _Handle = self._client.get_workflow_handle(run_id, result_type=ChatResponse)
        try:
            return await self._outcome(handle, timeout)
        except WorkflowFailureError as failure:
            raise error_of(failure) from failure

    async def _outcome(self, handle: _Handle, timeout: float) -> ChatResponse:
        """Raises WorkflowFailureError where the run has failed, and OloErrors where nobody can say."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await handle.result(follow_runs=False)
                    except RPCError as error:
                        if error.status is RPCStatusCode.NOT_FOUND:
                            raise RunNotFound from error
                    except ApplicationError as error:
                        # The answer is stored apart from its run, and cannot be read.
                        raise from_failure(error) from error
                    except RuntimeError:
                        # The lazy client has not been able to connect.
                        pass
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
        except TimeoutError as error:
            raise DeadlineExceeded("the run has not ended in time", metadata={"run_id": handle.id}) from error

    async def cancel(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        description = await self._describe(run_id)
        if run_of(description).state == RUN_STATE_RUNNING:
            with temporal_errors(RunNotFound), contextlib.suppress(RunNotFound):
                await self._client.get_workflow_handle(run_id).cancel(rpc_timeout=timedelta(seconds=RPC_SECONDS))
            description = await self._describe(run_id)
        return run_of(description)

    async def get(self, run_id: str) -> Run:
        """See `ports.Runs`."""
        description = await self._describe(run_id)
        run = run_of(description)
        handle: _Handle = self._client.get_workflow_handle(run_id, result_type=ChatResponse)
        if run.state == RUN_STATE_RUNNING:
            await show_place(self._client, description, run)
            return await _running(run, handle, description)
        try:
            run.response.CopyFrom(await self._outcome(handle, RPC_SECONDS))
        except WorkflowFailureError as failure:
            error = error_of(failure)
            if ended_as_too_large(failure.cause):
                run.state = RUN_STATE_FAILED
            run.error.CopyFrom(RunError(reason=error.reason, message=error.message))
            run.details.CopyFrom(post_mortem_of(failure) or (await account_of(handle)).details)
        if (shadow := await shadow_of(self._client, run.response)) is not None:
            run.shadow.CopyFrom(shadow)
        return run

    async def progress(self, run_id: str) -> RunProgress:
        """See `ports.Runs`."""
        description = await self._describe(run_id)
        if run_of(description).state != RUN_STATE_RUNNING:
            return RunProgress()
        return await progress_of(description) or RunProgress()

    async def request(self, run_id: str) -> ChatRequest:
        """See `ports.Runs`."""
        await self._describe(run_id)
        events = self._client.get_workflow_handle(run_id).fetch_history_events(
            page_size=1, rpc_timeout=timedelta(seconds=RPC_SECONDS)
        )
        with temporal_errors(RunNotFound):
            async with asyncio.timeout(RPC_SECONDS):
                first = await anext(events)
                payloads = first.workflow_execution_started_event_attributes.input.payloads
                whose = WorkflowSerializationContext(self._client.namespace, run_id)
                (request,) = await self._client.data_converter.with_context(whose).decode(payloads[:1], [ChatRequest])
        asked: ChatRequest = request
        return asked

    async def trace(self, run_id: str) -> TraceRunResponse:
        """See `ports.Runs`."""
        described = await self._describe(run_id)
        history = self._client.get_workflow_handle(run_id, run_id=described.run_id)
        events = history.fetch_history_events(rpc_timeout=timedelta(seconds=RPC_SECONDS))
        pending = {each.activity_id: each for each in described.raw_description.pending_activities}
        with temporal_errors(RunNotFound):
            async with asyncio.timeout(TRACE_SECONDS):
                trace = await steps_of(events, pending, self._client.data_converter)
        run = run_of(described)
        trace.MergeFrom(TraceRunResponse(run_id=run_id, state=run.state, start_time=run.create_time))
        if run.HasField("end_time"):
            trace.end_time.CopyFrom(run.end_time)
        if self._ui:
            place = f"{quote(self._client.namespace, safe='')}/workflows/{quote(run_id, safe='')}/{described.run_id}"
            trace.temporal_url = f"{self._ui}/namespaces/{place}/history"
        return trace

    async def delete(self, run_id: str) -> None:
        """See `ports.Runs`. Temporal deletes some time after it has said so, which is waited for."""
        described = await self._describe(run_id)
        gone = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecutionId(workflow_id=run_id, run_id=described.run_id),
        )
        with temporal_errors(RunNotFound):
            await self._client.workflow_service.delete_workflow_execution(gone, timeout=timedelta(seconds=RPC_SECONDS))
        for _ in range(round(DELETE_SECONDS / _LOOK_AGAIN_SECONDS)):
            try:
                await self._describe(run_id)
            except RunNotFound:
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        raise Unavailable("the run is still being deleted; try again", retry_after=RETRY_AFTER)

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        """See `ports.Runs`."""
        pages = self._client.list_workflows(
            f"{_QUERY} AND WorkflowId STARTS_WITH '{run_prefix(tenant())}'",
            page_size=page_size,
            next_page_token=unwrapped(page_token),
            rpc_timeout=timedelta(seconds=RPC_SECONDS),
        )
        with temporal_errors(RunNotFound):
            async with asyncio.timeout(RPC_SECONDS):
                await pages.fetch_next_page()
        runs = [await _listed(execution) for execution in pages.current_page or ()]
        return runs, wrapped(pages.next_page_token)

    async def _memo(self, run_id: str) -> object:
        described = await self._describe(run_id)
        with temporal_errors(RunNotFound):
            return await described.memo_value(_MEMO_KEY, None)

    async def _describe(self, run_id: str) -> WorkflowExecutionDescription:
        with temporal_errors(RunNotFound):
            async with asyncio.timeout(RPC_SECONDS):
                handle = self._client.get_workflow_handle(run_id)
                description = await handle.describe(rpc_timeout=timedelta(seconds=RPC_SECONDS))
        if description.workflow_type != CHAT_WORKFLOW:
            raise RunNotFound
        return description


async def _running(run: Run, handle: _Handle, description: WorkflowExecutionDescription) -> Run:
    """Adds what a running run is busy with, and what it has done."""
    account = await account_of(handle)
    run.details.CopyFrom(account.details)
    run.progress.CopyFrom(account.progress)
    # Whether a worker has begun is known to the server alone, and it tells also where the run itself cannot.
    run.progress.MergeFrom(await progress_of(description) or RunProgress())
    return run


async def _listed(execution: WorkflowExecution) -> Run:
    run = run_of(execution)
    if run.state == RUN_STATE_RUNNING and (told := await parked(execution)) is not None:
        run.progress.CopyFrom(told)
    return run
