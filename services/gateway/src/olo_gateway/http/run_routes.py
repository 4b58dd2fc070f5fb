"""/v1/runs: what has become of durable requests."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from olo.gateway.v1.run_pb2 import Run, RunState
from olo_common.durations import seconds_of
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_gateway.convert import phase_name
from olo_gateway.errors import RunNotFound
from olo_gateway.http.answers import attempt_of, completion_of
from olo_gateway.http.run_schemas import RunFailure, RunList, RunReport, RunSummary
from olo_gateway.http.schemas import ErrorAnswer
from olo_gateway.ports import Runs

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": ErrorAnswer, "description": "The run does not exist, or is no longer kept."},
    503: {"model": ErrorAnswer, "description": "Nobody can say now."},
}
_LIST: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorAnswer, "description": "A parameter is wrong; `param` names it."},
    503: {"model": ErrorAnswer, "description": "Nobody can say now."},
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


def _summary(run: Run) -> dict[str, Any]:
    state = RunState.Name(run.state).removeprefix("RUN_STATE_").lower()
    return {
        "id": run.run_id,
        "state": "unknown" if state == "unspecified" else state,
        "phase": phase_name(run.progress.phase) if run.progress.phase else None,
        "model": run.response.model or run.progress.model_id or None,
        "created": run.create_time.seconds,
        "ended": run.end_time.seconds or None,
        "error": RunFailure(reason=run.error.reason, message=run.error.message) if run.HasField("error") else None,
    }
