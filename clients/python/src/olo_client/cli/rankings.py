"""`olo models rankings`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, write_json, write_table
from olo_client.cli.selections import parts, write_rejections
from olo_client.client import Olo

app = typer.Typer()


@app.command("rankings")
def rankings(
    profile: Annotated[str, typer.Option(help="quality, balanced, speed, budget, long_context, default ...")] = "",
    kind: Annotated[str, typer.Option(help="llm or embedding.")] = "llm",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Ranks the models under a profile, whatever their load."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.routing.rankings(profile, kind=kind, limit=limit)
    if as_json:
        write_json(as_dict(found))
        return
    print(f"profile {found.profile}, snapshot {found.snapshot_version}")
    write_table(
        ("rank", "model", "score", "made of"),
        ((m.rank, m.model_id, f"{m.score:.3f}", parts(m.components)) for m in found.models),
    )
    write_rejections(found.rejections, len(found.rejections))
