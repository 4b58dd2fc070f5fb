"""`olo route`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo.router.v1.router_service_pb2 import BreakerState
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, write_json, write_table
from olo_client.cli.selections import write_candidates, write_complexity, write_rejections
from olo_client.client import Olo

app = typer.Typer(help="Which model would answer, and why.", no_args_is_help=True)


@app.command("explain")
def explain(
    prompt: Annotated[str, typer.Argument(help="What would be asked.")],
    profile: Annotated[str, typer.Option(help="Routing profile; auto goes by the complexity of the prompt.")] = "",
    model: Annotated[str, typer.Option(help="Model id or alias that would be asked for.")] = "auto",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Says which models would answer a prompt, in which order and why. Nothing is run."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        selection = olo.routing.explain(prompt, model=model, profile=profile)
    if as_json:
        write_json(as_dict(selection))
        return
    print(f"profile {selection.profile}, snapshot {selection.snapshot_version}")
    if selection.HasField("complexity"):
        write_complexity(selection.complexity)
    write_candidates(selection.candidates)
    write_rejections(selection.rejections, selection.rejection_count)


@app.command("status")
def status(as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows instances, circuit breakers and how old the router's knowledge is."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.routing.status()
    if as_json:
        write_json(as_dict(found))
        return
    print("it decides" if found.serving else f"it decides nothing: {found.detail}")
    print(f"snapshot {found.snapshot_version}, {found.snapshot_age.seconds} s without the registry")
    write_table(
        ("instance", "model", "state", "in flight"),
        ((i.instance_id, i.model_id, i.state, f"{i.in_flight}/{i.max_concurrency}") for i in found.instances),
    )
    if found.breakers:
        write_table(
            ("circuit breaker of", "instance", "state", "failures", "open for", "last failure"),
            (
                (
                    b.model_id,
                    b.instance_id or "all",
                    enum_word(BreakerState.Name(b.state), "BREAKER_STATE_"),
                    b.failures,
                    f"{b.open_for.seconds} s",
                    b.last_failure,
                )
                for b in found.breakers
            ),
        )
