"""Traces through Temporal: a span for each workflow, and one for each try of an activity.

The span of a workflow is told when it has ended, with the id that follows from its run: its activities hang under it
before it is there, and whoever ends it after a change of workers tells the same span. A replay tells nothing.

The header is the one that the interceptor of Temporal's SDK writes and reads, too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from opentelemetry.trace import SpanContext, SpanKind, format_span_id, format_trace_id
from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from olo_common.tracing import error_type, span, tell, trace_headers, trace_of

TRACER_HEADER: Final = "_tracer-data"
_JSON: Final = b"json/plain"
_ENDED: Final = "olo_workflow_ended"

PayloadHeaders = Mapping[str, Payload]


@dataclass(frozen=True, slots=True)
class _Workflow:
    """A workflow in a trace that is sampled.

    Attributes:
        name: Of its span.
        span_id: Of its span.
        parent: The span that it was started under.
        start: When it began, in nanoseconds since the epoch.
        attributes: Of its span.
    """

    name: str
    span_id: int
    parent: SpanContext
    start: int
    attributes: Mapping[str, str]


class TemporalTraces(client.Interceptor, worker.Interceptor):
    """An interceptor of Temporal's client and of the workers on it."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """Traces what a client starts."""
        return _Client(next)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """Traces the activities of a worker."""
        return _Activities(next)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Traces the workflows of a worker."""
        input.unsafe_extern_functions[_ENDED] = _tell_end
        return _Inbound


class _Client(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        """Starts a workflow that goes on with the trace. The workflow's own span tells when it has begun."""
        began = time.time_ns()
        input.headers = {**input.headers, **_to_payload(trace_headers())}
        try:
            return await super().start_workflow(input)
        except Exception as error:
            facts = {"temporalWorkflowID": input.id}
            name = f"StartWorkflow:{input.workflow}"
            tell(name, began, time.time_ns(), kind=SpanKind.CLIENT, attributes=facts, problem=_kind_of(error))
            raise


class _Activities(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        """Runs a try of an activity."""
        info = activity.info()
        attributes: dict[str, Any] = {"temporalActivityID": info.activity_id, "olo.attempt": info.attempt}
        if info.workflow_id:
            attributes["temporalWorkflowID"] = info.workflow_id
        if not info.is_local:
            # How long it has waited for a worker.
            waited = info.started_time - info.current_attempt_scheduled_time
            attributes["olo.queue_seconds"] = max(0.0, waited.total_seconds())
        name, headers = f"RunActivity:{info.activity_type}", _to_headers(input.headers)
        with span(name, SpanKind.SERVER, attributes, headers=headers, named=_kind_of):
            return await super().execute_activity(input)


class _Inbound(worker.WorkflowInboundInterceptor):
    """What a workflow is part of is found out when it begins, and again by each replay."""

    _outbound: _Outbound
    _traced: _Workflow | None = None

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        """Wraps what the workflow asks for."""
        self._outbound = _Outbound(outbound)
        super().init(self._outbound)

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        """Runs the workflow."""
        self._traced = self._outbound.goes_on_with(workflow.info())
        try:
            result = await super().execute_workflow(input)
        except GeneratorExit:
            # Forgotten, by whoever collects the garbage: no workflow could be asked.
            raise
        except BaseException as error:
            self._end("" if isinstance(error, workflow.ContinueAsNewError) else _kind_of(error))
            raise
        self._end("")
        return result

    def _end(self, problem: str) -> None:
        # One that leaves the cache of its worker is torn down as in a replay.
        if self._traced is not None and not workflow.unsafe.is_replaying():
            told: Callable[[_Workflow, str], None] = workflow.extern_functions()[_ENDED]
            told(self._traced, problem)


class _Outbound(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor) -> None:
        super().__init__(next)
        self._received: PayloadHeaders = {}
        self._passed_on: PayloadHeaders = {}

    def goes_on_with(self, info: workflow.Info) -> _Workflow | None:
        """Has the activities of this workflow go on with its trace; gives the workflow, where that is sampled."""
        if not (headers := _to_headers(info.headers)):
            return None
        self._received = self._passed_on = {TRACER_HEADER: info.headers[TRACER_HEADER]}
        parent = trace_of(headers)
        if not (parent.is_valid and parent.trace_flags.sampled):
            return None
        span_id = int.from_bytes(hashlib.blake2b(info.run_id.encode(), digest_size=8).digest())
        own = f"00-{format_trace_id(parent.trace_id)}-{format_span_id(span_id)}-{parent.trace_flags:02x}"
        self._passed_on = _to_payload({**headers, "traceparent": own})
        return _Workflow(
            f"RunWorkflow:{info.workflow_type}",
            span_id,
            parent,
            int(info.workflow_start_time.timestamp() * 1e9),
            {"temporalWorkflowID": info.workflow_id, "temporalRunID": info.run_id},
        )

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        """Starts an activity."""
        input.headers = {**input.headers, **self._passed_on}
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        """Starts a local activity."""
        input.headers = {**input.headers, **self._passed_on}
        return super().start_local_activity(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        """Goes on as another run, in the same place of the trace."""
        input.headers = {**input.headers, **self._received}
        super().continue_as_new(input)


def _tell_end(ended: _Workflow, problem: str) -> None:
    """Outside of any sandbox: time and ids are those of the world."""
    tell(
        ended.name,
        ended.start,
        max(ended.start, time.time_ns()),
        parent=ended.parent,
        kind=SpanKind.SERVER,
        attributes=ended.attributes,
        span_id=ended.span_id,
        problem=problem,
    )


def _to_payload(headers: dict[str, str]) -> PayloadHeaders:
    if not headers:
        return {}
    return {TRACER_HEADER: Payload(metadata={"encoding": _JSON}, data=json.dumps(headers).encode())}


def _to_headers(headers: PayloadHeaders) -> dict[str, str]:
    """The headers of a trace; none where they are not there, or are something else."""
    payload = headers.get(TRACER_HEADER)
    if payload is None or payload.metadata.get("encoding") != _JSON:
        return {}
    try:
        told = json.loads(payload.data)
    except ValueError:
        return {}
    fields = told.items() if isinstance(told, dict) else ()
    return {name: value for name, value in fields if isinstance(value, str)}


def _kind_of(error: BaseException) -> str:
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return error_type(error) if isinstance(error, Exception) else type(error).__name__
