"""What this package adds to the command line beside the stack itself: init, doctor, and `olo config show`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olo_client.cli.options import TARGET, AsJson, Target, Url
from olo_client.cli.output import write_json, write_table
from olo_client.cluster import DEFAULT_URL
from olo_client.settings import USUAL_FILE, sources
from olo_common.settings import load_settings
from olo_local.plain_errors import plain_errors
from olo_local.settings import LocalSettings

if TYPE_CHECKING:
    from olo_local.doctor import Finding

app = typer.Typer()
config = typer.Typer()


@app.command("init")
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = USUAL_FILE,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: every setting stays at its default.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write a file that is there anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Writes a settings file in which every variable stands with its default and its meaning."""
    # It imports the settings of all services, which other commands need not wait for.
    from olo_local.initial import write_initial

    chosen: dict[str, str] = {}
    if not yes:
        ports = typer.prompt("Ports: fixed (the known ones) or free (any)", default="fixed", err=True)
        if ports not in ("fixed", "free"):
            raise typer.BadParameter("the ports are fixed or free")
        folder = typer.prompt("Folder for data, models and logs", default=".olo", err=True)
        target = typer.prompt("Gateway that the command line asks", default=TARGET, err=True)
        asked = {"OLO_LOCAL_PORTS": (ports, "fixed"), "OLO_LOCAL_DIRECTORY": (folder, ".olo"),
                 "OLO_TARGET": (target, TARGET)}  # fmt: skip
        chosen = {name: said for name, (said, default) in asked.items() if said != default}
    with plain_errors():
        write_initial(file, chosen, force=force)
    print(json.dumps({"file": str(file), "set": chosen}) if as_json else f"{file} is written; next: olo doctor, olo up")


@app.command("doctor")
def doctor(
    bundle: Annotated[
        Path | None, typer.Option(help="Write what helpers need to this file (tar.gz): no secrets, no prompts.")
    ] = None,
    as_json: AsJson = False,
    target: Target = TARGET,
    url: Url = DEFAULT_URL,
) -> None:
    """Checks this machine and the stack, and says what to do; exit code 1 where something does not work."""
    from olo_local.doctor import examine

    with plain_errors():
        settings = load_settings(LocalSettings)
        found = list(examine(settings, target))
    if bundle is not None:
        _write_bundle(bundle, settings, (target, url), found, as_json=as_json)
        return
    problems = sum(finding.verdict == "problem" for finding in found)
    if as_json:
        write_json({"problems": problems, "findings": [asdict(finding) for finding in found]})
    else:
        write_table(("", "what", "is", "to do"), ((f.verdict, f.subject, f.detail, f.advice) for f in found))
        print(f"{problems} problems" if problems else "all is well" + _warned(f.verdict for f in found))
    if problems:
        raise typer.Exit(1)


def _write_bundle(
    file: Path, settings: LocalSettings, gateway: tuple[str, str], found: Sequence[Finding], *, as_json: bool
) -> None:
    """Writes the bundle; of a stack that runs here, the addresses are known."""
    from olo_local.bundle import write_bundle
    from olo_local.ports import HOST
    from olo_local.state import read_state

    target, url = gateway
    with plain_errors():
        state = read_state(settings.state_file)
        if state is not None and state.is_running:
            target = f"{HOST}:{state.ports['gateway']}"
            url = f"{settings.http_scheme}://{HOST}:{state.ports['gateway_http']}"
        parts = write_bundle(file, settings, target, url, found)
    if as_json:
        write_json({"file": str(file), "parts": parts})
    else:
        print(f"{file} has {len(parts)} parts; look through it before you pass it on")


@config.command("show")
def show(
    part: Annotated[str, typer.Argument(help="gateway, router ...; left out: all that is not at its default.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Those at their defaults, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows the settings that hold here, and where each comes from; secrets are masked."""
    from olo_local.variables import PARTS, all_variables

    known = (*PARTS, "shared", "command line")
    if part and part not in known:
        raise typer.BadParameter(f"{part} is none of {', '.join(known)}", param_hint="PART")
    environment, file, name = sources()
    found = [
        variable
        for variable in all_variables(environment, file)
        if (variable.part == part if part else everything or as_json or variable.source != "default")
    ]
    if as_json:
        write_json({"file": name or None, "variables": [asdict(variable) for variable in found]})
        return
    print(f"settings file: {name or 'none (`olo init` writes one)'}")
    if found:
        write_table(("variable", "value", "from", "read by"), ((v.name, v.value, v.source, v.part) for v in found))
    else:
        print("everything is at its default; --all shows all")


def _warned(verdicts: Iterable[str]) -> str:
    warnings = sum(verdict == "warning" for verdict in verdicts)
    return f", with {warnings} warnings" if warnings else ""
