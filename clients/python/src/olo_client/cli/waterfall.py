"""`olo runs trace`: where the time of a run went, as bars below each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from olo.gateway.v1.gateway_service_pb2 import RunStep, TraceRunResponse
from olo.gateway.v1.run_pb2 import RunState
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, write_json
from olo_client.client import Olo

app = typer.Typer()

BAR = 40
"""Characters that stand for the whole run."""
_WAITS = ("queue", "park", "pause")
_NARROW = 100


@app.command("trace")
def trace(
    run_id: Annotated[str, typer.Argument(help="Id of the run.")], as_json: AsJson = False, target: Target = TARGET
) -> None:
    """Shows where the time of a run went: each step, wait and attempt, from the run's history."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        told = olo.runs.trace(run_id)
    if as_json:
        write_json(as_dict(told))
    else:
        write_trace(told, datetime.now(UTC))


def write_trace(told: TraceRunResponse, now: datetime) -> None:
    """Draws a trace; what has not ended lasts until `now`."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _NARROW)
    began = _seconds(told.start_time)
    total = max((_seconds(told.end_time) if told.HasField("end_time") else now.timestamp()) - began, 1e-6)
    state = enum_word(RunState.Name(told.state), "RUN_STATE_")
    console.print(Text(f"{told.run_id}: {state}, {total:.3f} s"), soft_wrap=True)
    table = Table("step", "model", "after", "took", "", "", box=box.SIMPLE_HEAD)
    for step in told.steps:
        start = _seconds(step.start_time) - began
        end = _seconds(step.end_time) - began if step.HasField("end_time") else total
        took = f"{end - start:.3f} s" + ("" if step.HasField("end_time") else " so far")
        bar = Text(bar_of(start / total, end / total), style=_style(step))
        cells = (step.name, step.model_id, f"{start:.3f} s", took)
        table.add_row(*map(Text, cells), bar, Text(_note(step)))
    console.print(table)
    if told.trace_id:
        console.print(Text(f"trace: {told.trace_id}"), soft_wrap=True)
    if told.temporal_url:
        console.print(Text(f"history: {told.temporal_url}"), soft_wrap=True)


def bar_of(start: float, end: float) -> str:
    """A bar for a stretch of the whole, both from 0 to 1; it can always be seen, and never leaves the whole."""
    first = min(max(round(start * BAR), 0), BAR - 1)
    last = min(max(round(end * BAR), first + 1), BAR)
    return " " * first + "█" * (last - first) + " " * (BAR - last)


def _note(step: RunStep) -> str:
    notes = []
    if step.HasField("first_token_time"):
        notes.append(f"first token after {_seconds(step.first_token_time) - _seconds(step.start_time):.3f} s")
    if step.attempts > 1:
        notes.append(f"try {step.attempts}")
    if step.failure_reason:
        notes.append(step.failure_reason)
    return ", ".join(notes)


def _style(step: RunStep) -> str:
    if step.failure_reason:
        return "red"
    return "yellow" if step.name in _WAITS else "green"


def _seconds(moment: Timestamp) -> float:
    return moment.ToNanoseconds() / 1e9
