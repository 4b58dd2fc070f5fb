"""`olo runs explain` and `olo runs replay`: why a model answered, and what another one would have said."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, write_json
from olo_client.cli.run_report import account_of, state_of
from olo_client.cli.selections import write_attempts, write_candidates, write_complexity, write_rejections
from olo_client.cli.shadows import write_shadow
from olo_client.client import Olo

app = typer.Typer()

RunId = Annotated[str, typer.Argument(help="Id of the run.")]


@app.command("explain")
def explain(run_id: RunId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Says which models could have answered a run, in which order and why, and how each attempt went."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        run = olo.runs.get(run_id)
    told = account_of(run)
    selection = told.selection
    model = run.response.model
    if as_json:
        shown = {"model": model, **as_dict(selection), "attempts": [as_dict(a) for a in told.attempts]}
        write_json({**shown, "shadow_run": as_dict(run.shadow)} if run.HasField("shadow") else shown)
        return
    alias = f", asked for as {selection.alias}" if selection.alias else ""
    ended = f"{model} answered" if model else f"{state_of(run)} {run.error.reason}".rstrip()
    print(f"{ended}{alias}; profile {selection.profile or '-'}, snapshot {selection.snapshot_version}")
    if selection.HasField("complexity"):
        write_complexity(selection.complexity)
    write_candidates(selection.candidates, chosen=selection.chosen_index if model else None)
    write_rejections(selection.rejections, selection.rejection_count)
    write_attempts(told.attempts)
    write_shadow(run)


@app.command("replay")
def replay(  # noqa: PLR0917  # one option for each thing that can differ
    run_id: RunId,
    model: Annotated[str, typer.Option(help="Model id or alias; without it, as it was.")] = "",
    profile: Annotated[str, typer.Option(help="Routing profile; with it the router chooses anew.")] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 60.0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Runs a request again with the passages that were found then, and shows how the answers differ."""
    with Olo(target, timeout=timeout) as olo:
        replayed = olo.runs.replay(run_id, model=model, profile=profile)
    if as_json:
        write_json(as_dict(replayed))
        return
    before, after = replayed.original, replayed.replay
    lines = list(
        difflib.unified_diff(
            before.message.content.splitlines(),
            after.message.content.splitlines(),
            f"{before.model} ({before.run_id})",
            f"{after.model} ({after.run_id})",
            lineterm="",
        )
    )
    print("\n".join(lines) if lines else f"{after.model} gives the same answer ({after.run_id})")
