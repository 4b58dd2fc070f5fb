"""`olo runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo.gateway.v1.run_pb2 import Run, RunState
from olo_client.cli import decisions
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="Durable requests: what became of them.", no_args_is_help=True)
app.add_typer(decisions.app)

RunId = Annotated[str, typer.Argument(help="Id of the run.")]


def _state(run: Run) -> str:
    return enum_word(RunState.Name(run.state), "RUN_STATE_")


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
            ((r.run_id, _state(r), moment(r.create_time), moment(r.end_time), r.error.reason) for r in found),
        )


@app.command("get")
def get(run_id: RunId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows one run and its answer."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        run = olo.runs.get(run_id)
    if as_json:
        write_json(as_dict(run))
        return
    print(f"{run.run_id}: {_state(run)}")
    if run.HasField("response"):
        print(run.response.message.content)
    if run.HasField("error"):
        print(f"{run.error.reason}: {run.error.message}")


@app.command("cancel")
def cancel(run_id: RunId, target: Target = TARGET) -> None:
    """Asks a run to stop."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        run = olo.runs.cancel(run_id)
    print(f"{run.run_id}: {_state(run)}")
