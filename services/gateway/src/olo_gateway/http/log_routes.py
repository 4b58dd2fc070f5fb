"""/logviewer/api/logs: the last lines that the services have written."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from olo_common.log_fields import HEAD, IDS
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.http.shapes import AnswerShape
from olo_gateway.ports import LogQuestion, RecentLogs

Level = Literal["debug", "info", "warning", "error", "critical"]
MOST: Final = 1000
"""Lines of one answer."""
_WRONG: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A parameter is wrong; `param` names it.", **AN_ERROR}
}


class LogLine(AnswerShape):
    time: str
    """ISO 8601, UTC, by the clock of the machine that wrote it."""
    level: Level
    service: str
    process: str | None
    """Host and process id."""
    event: str
    """What happened; always the same words for the same thing."""
    run_id: str | None
    request_id: str | None
    """Services that a run asks are given its id as that of the request."""
    trace_id: str | None
    span_id: str | None
    fields: dict[str, str | int | float | bool | None]
    """What else is told. Never a prompt, an answer or a passage."""


class LogLines(AnswerShape):
    lines: list[LogLine]
    """The newest that fit, oldest first."""
    services: list[str]
    """Whose lines this gateway has."""
    dropped: int
    """Lines that were not told, because there were too many at once; the logs themselves have them."""


def log_routes(logs: RecentLogs) -> APIRouter:
    """The route of the logs."""
    router = APIRouter(prefix="/logviewer/api", tags=["admin"])

    @router.get("/logs", summary="Show the last lines of the services' logs", responses=_WRONG)
    async def lines(
        service: Annotated[str, Query(max_length=64, description="Of one service: `gateway`, `llm-worker` ...")] = "",
        level: Annotated[Level | None, Query(description="Of this level and above.")] = None,
        run_id: Annotated[str, Query(max_length=128, description="Of one run, and of the calls that it made.")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = 200,
    ) -> LogLines:
        found = logs.lines(LogQuestion(service, level or "", run_id, limit))
        return LogLines(lines=[_line(line) for line in found], services=list(logs.services), dropped=logs.dropped)

    return router


def _line(line: Any) -> LogLine:
    named = {name: line.get(name) for name in ("level", "service", "process", "event", *sorted(IDS))}
    rest = {name: value for name, value in line.items() if name not in HEAD | IDS}
    return LogLine(time=line["timestamp"], fields=rest, **{n: _text(v) for n, v in named.items()})


def _text(value: Any) -> Any:
    return value if value is None else str(value)
