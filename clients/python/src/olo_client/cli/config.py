"""`olo config`: what the operator has decided, kept in a file and brought back."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import write_json, write_table
from olo_client.client import Olo
from olo_client.operating import DocumentError, applied, exported, parsed, planned

app = typer.Typer(help="Settings, and what the operator has decided.", no_args_is_help=True)


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; left out: standard output.")] = None,
    target: Target = TARGET,
) -> None:
    """Writes the policies of models and the aliases as YAML."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        text = exported(olo)
    if file is None:
        print(text, end="")
        return
    try:
        file.write_text(text)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    print(f"{file} is written")


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="What `olo config export` has written; - is standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="End the aliases that the file does not have.")] = False,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Sets policies and aliases to what a file says; what is so already is left alone."""
    try:
        document = parsed(sys.stdin.read() if file == "-" else Path(file).read_text())
    except DocumentError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8 text", param_hint="FILE") from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        plan = planned(olo, document, prune=prune)
        done = 0 if dry_run else len(list(applied(olo, plan)))
    if as_json:
        changes = [asdict(change) for change in plan.changes]
        write_json({"dry_run": dry_run, "changes": changes, "unknown_models": plan.missing})
    else:
        if plan.changes:
            rows = ((c.kind, c.name, c.field, c.before, c.after) for c in plan.changes)
            write_table(("kind", "name", "field", "is" if dry_run else "was", "will be" if dry_run else "is"), rows)
        print(_summary(len(plan.policies) + len(plan.aliases) + len(plan.ended), done, dry_run=dry_run))
        for model_id in plan.missing:
            sys.stderr.write(f"olo: the model {model_id} is not known: nothing of it is set\n")
    if plan.missing:
        raise typer.Exit(1)


def _summary(differing: int, done: int, *, dry_run: bool) -> str:
    if not differing:
        return "everything is so already"
    return f"{differing} would change" if dry_run else f"{done} changed"
