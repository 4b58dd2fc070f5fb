"""What this package adds to the `olo` command line: up, down, status, logs, demo."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from olo_common.settings import load_settings
from olo_local import daemon, observing
from olo_local.demo import run_demo
from olo_local.errors import StackError
from olo_local.logs import follow, log_names, tail
from olo_local.plain_errors import plain_errors
from olo_local.progress import Progress
from olo_local.settings import LocalSettings
from olo_local.signals import run_until_told
from olo_local.state import StackState, read_state

app = typer.Typer()

PortChoice = Annotated[
    Literal["fixed", "free"] | None,
    typer.Option("--ports", help="fixed: the known ports; free: any free ones. Default: OLO_LOCAL_PORTS, or fixed."),
]


def _settings(ports: Literal["fixed", "free"] | None = None) -> LocalSettings:
    settings = load_settings(LocalSettings)
    return settings.model_copy(update={"ports": ports}) if ports else settings


AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]


@app.command()
def up(ports: PortChoice = None, as_json: AsJson = False) -> None:
    """Starts the local stack in the background and waits until it is ready."""
    with plain_errors():
        settings = _settings(ports)
        state = read_state(settings.state_file)
        if state is not None and state.is_running:
            if as_json:
                print(_as_json(state))
                return
            print(f"the stack is {state.phase} already (pid {state.pid}, {state.mode})")
            if settings.observe and observing.NAME not in state.ports:
                print("it is not observed: stop it with `make down` first, then start it again")
            return
        with Progress(Console(stderr=True)) as progress:
            state = daemon.start(settings, progress.told)
        if as_json:
            print(_as_json(state))
            return
        http, grpc = state.ports["gateway_http"], state.ports["gateway"]
        print(f"gateway: {settings.http_scheme}://127.0.0.1:{http} and gRPC 127.0.0.1:{grpc}")
        print(f"runs:    http://127.0.0.1:{state.ports['temporal_ui']}")
        if settings.observe:
            print(f"metrics: {_metrics(state)}")


def _metrics(state: StackState) -> str:
    if not any(child.name == observing.NAME for child in state.children):
        return observing.MISSING
    return "http://127.0.0.1:{0} (alerts: http://127.0.0.1:{0}/alerts)".format(state.ports[observing.NAME])


def _as_json(state: StackState | None) -> str:
    running = state is not None and state.is_running
    return json.dumps({"running": running, **(dataclasses.asdict(state) if state is not None and running else {})})


@app.command()
def down(as_json: AsJson = False) -> None:
    """Stops the local stack and waits until all of it has ended."""
    with plain_errors():
        settings = _settings()
        with Progress(Console(stderr=True)) as progress:
            if (state := read_state(settings.state_file)) is not None:
                progress.knows(state)
            stopped = daemon.stop(settings, progress.told)
        told = "the stack is stopped" if stopped else "no stack is running"
        print(json.dumps({"stopped": stopped}) if as_json else told)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Shows the parts of the local stack."""
    with plain_errors():
        state = read_state(_settings().state_file)
    if as_json:
        print(_as_json(state))
    elif state is None or not state.is_running:
        print("no stack is running")
    else:
        Console().print(_table(state))


def _table(state: StackState) -> Table:
    table = Table("part", "pid", "state", "restarts", "address", "uptime", box=box.SIMPLE_HEAD)
    table.title = f"{state.mode}: {state.phase} (supervisor {state.pid})"
    for child in state.children:
        lived = int(time.time() - child.started_at) if child.pid else 0
        uptime = f"{lived // 3600}:{lived // 60 % 60:02}:{lived % 60:02}" if child.pid else "-"
        table.add_row(child.name, str(child.pid or "-"), child.state.value, str(child.restarts), child.address, uptime)
    return table


@app.command()
def logs(
    name: Annotated[
        str, typer.Argument(help="The part, as `olo status` names it, or supervisor; left out: all of them.")
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines from the end.")] = 50,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
) -> None:
    """Shows what a part of the local stack has written."""
    with plain_errors():
        folder = _settings().logs
        names = log_names(folder)
        if not name and names and not following:
            for each in names:
                for line in tail(folder, each, lines):
                    print(f"{each:<16} {line}")
            return
        if not name and following:
            raise typer.BadParameter("name one part to follow", param_hint="NAME")
        if name not in names:
            raise StackError(f"there is no log of {name or 'any part'}; there is {', '.join(names) or 'none yet'}")
        for line in follow(folder, name, lines) if following else tail(folder, name, lines):
            print(line, flush=following)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything after the answers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON line for each answer.")] = False,
    ports: PortChoice = None,
) -> None:
    """Starts a fresh stack, feeds it sample documents, asks two questions, and stays up until Ctrl-C."""
    with plain_errors():
        finished = run_until_told(run_demo(_settings(ports), once=once, as_json=as_json))
    if once and not finished:
        raise typer.Exit(130)
