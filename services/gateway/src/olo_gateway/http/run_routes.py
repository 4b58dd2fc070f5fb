"""/v1/runs: what has become of durable requests."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query
from google.protobuf.timestamp_pb2 import Timestamp

from olo.gateway.v1.gateway_service_pb2 import RunStep as Step
from olo.gateway.v1.gateway_service_pb2 import TraceRunResponse
from olo.gateway.v1.run_pb2 import Run, RunState
from olo_common.durations import seconds_of
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.convert.runs import phase_name
from olo_gateway.errors import RunNotFound
from olo_gateway.http.answers import attempt_of, completion_of
from olo_gateway.http.run_schemas import RunFailure, RunList, RunReport, RunStep, RunSummary, RunTrace, State
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.ports import Runs

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "The run does not exist, or is no longer kept.", **AN_ERROR},
    503: {"description": "Nobody can say now.", **AN_ERROR},
}
_LIST: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A parameter is wrong; `param` names it.", **AN_ERROR},
    503: {"description": "Nobody can say now.", **AN_ERROR},
}


def run_routes(runs: Runs) -> APIRouter:
    """The routes of runs."""
    router = APIRouter(prefix="/v1/runs", tags=["runs"])

    @router.get("", summary="List runs, newest first", responses=_LIST)
    async def list_runs(
        limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
        page_token: Annotated[str, Query(max_length=4096, description="`next_page_token` of the page before.")] = "",
    ) -> RunList:
        found, following = await runs.list(limit, page_token)
        return RunList(data=[RunSummary(**_summary(run)) for run in found], next_page_token=following or None)

    @router.get("/{run_id}", summary="Show a run, with its answer once it has one", responses=_UNKNOWN)
    async def get_run(run_id: str) -> RunReport:
        return _report(await runs.get(_known(run_id)))

    @router.get("/{run_id}/trace", summary="Tell where the time of a run went", responses=_UNKNOWN)
    async def trace_run(run_id: str) -> RunTrace:
        return _trace(await runs.trace(_known(run_id)))

    @router.post("/{run_id}/cancel", summary="Ask a run to stop", responses=_UNKNOWN)
    async def cancel_run(run_id: str) -> RunReport:
        return _report(await runs.cancel(_known(run_id)))

    return router


def _known(run_id: str) -> str:
    if not is_valid(REQUEST_ID, run_id):
        raise RunNotFound
    return run_id


def _report(run: Run) -> RunReport:
    answered = run.HasField("response")
    told = run.response if answered else run.details
    return RunReport(
        **_summary(run),
        answer=completion_of(run.response, run.create_time.seconds) if answered else None,
        attempts=[attempt_of(attempt) for attempt in told.attempts],
        queue_position=run.queue_position or None,
        estimated_wait=round(seconds_of(run.estimated_wait), 3) if run.HasField("estimated_wait") else None,
    )


def _trace(told: TraceRunResponse) -> RunTrace:
    return RunTrace(
        id=told.run_id,
        state=_state(told.state),
        start=_seconds(told.start_time),
        end=_seconds(told.end_time) if told.HasField("end_time") else None,
        steps=[_step(step) for step in told.steps],
        trace_id=told.trace_id or None,
        temporal_url=told.temporal_url or None,
    )


def _step(step: Step) -> RunStep:
    return RunStep(
        name=step.name,
        model=step.model_id or None,
        start=_seconds(step.start_time),
        end=_seconds(step.end_time) if step.HasField("end_time") else None,
        first_token=_seconds(step.first_token_time) if step.HasField("first_token_time") else None,
        attempts=step.attempts,
        failure_reason=step.failure_reason or None,
    )


def _seconds(moment: Timestamp) -> float:
    return moment.ToMicroseconds() / 1e6


def _state(state: RunState) -> State:
    name = RunState.Name(state).removeprefix("RUN_STATE_").lower()
    return cast(State, "unknown" if name == "unspecified" else name)


def _summary(run: Run) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "state": _state(run.state),
        "phase": phase_name(run.progress.phase) if run.progress.phase else None,
        "model": run.response.model or run.progress.model_id or None,
        "created": run.create_time.seconds,
        "ended": run.end_time.seconds or None,
        "error": RunFailure(reason=run.error.reason, message=run.error.message) if run.HasField("error") else None,
    }
