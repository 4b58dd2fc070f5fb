"""Builds the command line from its own commands and those of other packages, and runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

import typer

from olo_client.cli import (
    batch,
    benchmarks,
    chat,
    collections,
    config,
    connection,
    documents,
    files,
    ingest,
    keys,
    models,
    rag,
    route,
    runs,
    search,
    sources,
    top,
    version,
)
from olo_client.cli import (
    run as run_command,
)
from olo_client.errors import (
    AuthenticationError,
    ExhaustedError,
    OloError,
    TimeoutError,
    UnavailableError,
    refused_key,
)
from olo_client.settings import SettingsFileError, apply_settings_file, usual_api_key

FAILED = 1
"""The exit code of a call, or a part of it, that has failed."""
MAY_PASS = 3
"""The exit code where nothing is wrong with the call: the gateway or a model is away, busy or late, and may be back."""
INTERRUPTED = 130
"""The exit code after Ctrl-C. Wrong usage is 2."""

PLUGIN_GROUP = "olo.commands"
"""Entry points of this group add commands: a `typer.Typer`, or a function that takes the app.

An entry point with the name of a group adds to that group, `models` to `olo models`; any other adds at the top.
"""


def build_app(plugins: Iterable[EntryPoint] | None = None) -> typer.Typer:
    """The whole command line. A plugin that cannot be loaded is named on standard error and left out."""
    app = typer.Typer(
        name="olo",
        help="Asks models, feeds them documents, and looks after what runs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(connection.options)
    app.command("chat")(chat.chat)
    app.command("run")(run_command.run)
    app.command("ingest")(ingest.ingest)
    app.command("search")(search.search)
    app.command("top")(top.top)
    own = {
        "batch": batch.app,
        "benchmarks": benchmarks.app,
        "collections": collections.app,
        "config": config.app,
        "documents": documents.app,
        "files": files.app,
        "keys": keys.app,
        "models": models.app,
        "rag": rag.app,
        "route": route.app,
        "runs": runs.app,
        "sources": sources.app,
    }
    groups = {name: _group(app, name, commands) for name, commands in own.items()}
    app.command("version")(version.version)
    for plugin in entry_points(group=PLUGIN_GROUP) if plugins is None else plugins:
        _add(groups.get(plugin.name, app), plugin)
    return app


def _group(app: typer.Typer, name: str, commands: typer.Typer) -> typer.Typer:
    """A group of this command line alone, to which plugins may add."""
    group = typer.Typer(help=commands.info.help, no_args_is_help=True)
    group.add_typer(commands)
    app.add_typer(group, name=name)
    return group


def _add(app: typer.Typer, plugin: EntryPoint) -> None:
    try:
        commands = plugin.load()
        if isinstance(commands, typer.Typer):
            app.add_typer(commands)
        else:
            commands(app)
    except Exception as error:
        sys.stderr.write(f"olo: the commands of {plugin.value} are missing: {error}\n")


def run(arguments: Sequence[str]) -> int:
    """Runs one command and gives its exit code."""
    try:
        apply_settings_file()
        build_app()(list(arguments), standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except SettingsFileError as error:
        sys.stderr.write(f"olo: {error}\n")
        return FAILED
    except OloError as error:
        message = refused_key(usual_api_key()) if isinstance(error, AuthenticationError) else error.message
        sys.stderr.write(f"olo: {message} ({error.reason}{_hint(error)})\n")
        may_pass = isinstance(error, UnavailableError | ExhaustedError | TimeoutError) and not error.run_failed
        return MAY_PASS if may_pass else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _hint(error: OloError) -> str:
    return f", retry after {error.retry_after:g} s" if error.retry_after else ""
