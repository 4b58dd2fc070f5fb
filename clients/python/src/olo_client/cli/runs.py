"""`olo runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli import decisions, waterfall
from olo_client.cli.answers import write_stream
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, moment, write_json, write_table
from olo_client.cli.run_report import state_of, write_run
from olo_client.client import Olo

app = typer.Typer(help="Durable requests: what became of them.", no_args_is_help=True)
app.add_typer(decisions.app)
app.add_typer(waterfall.app)

RunId = Annotated[str, typer.Argument(help="Id of the run.")]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Lists runs, newest first."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.runs.list(limit))
    if as_json:
        write_json([as_dict(run) for run in found])
    else:
        write_table(
            ("run", "state", "created", "ended", "error"),
            ((r.run_id, state_of(r), moment(r.create_time), moment(r.end_time), r.error.reason) for r in found),
        )


@app.command("get")
def get(run_id: RunId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows one run: its answer, or what it is busy with, and how it came about."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        run = olo.runs.get(run_id)
    if as_json:
        write_json(as_dict(run))
    else:
        write_run(run)


@app.command("watch")
def watch(
    run_id: RunId,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the end.")] = 60.0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Says what a run is busy with and writes its answer as it comes, or as it was given; with --json, its events."""
    with Olo(target, timeout=timeout) as olo:
        events = olo.follow(run_id)
        if not as_json:
            write_stream(events)
            return
        for event in events:
            write_json(as_dict(event))


@app.command("cancel")
def cancel(run_id: RunId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Asks a run to stop."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        run = olo.runs.cancel(run_id)
    if as_json:
        write_json(as_dict(run))
    else:
        print(f"{run.run_id}: {state_of(run)}")
