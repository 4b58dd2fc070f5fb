"""`olo collections migrate`, `migration`, `rollback` and `finish`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_json, write_table
from olo_client.client import Olo
from olo_client.migrations import MigrationPlan

Name = Annotated[str, typer.Argument(help="Name of the collection.")]

_MOVING = (pb.MIGRATION_STATE_COPYING, pb.MIGRATION_STATE_VERIFYING, pb.MIGRATION_STATE_ROLLING_BACK)
_POLL_SECONDS = 0.5


class Strategy(StrEnum):
    """What a passage is."""

    STRUCTURE = "structure"
    PARENT_CHILD = "parent_child"
    FIXED = "fixed"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("migrate")(migrate)
    app.command("migration")(migration)
    app.command("rollback")(rollback)
    app.command("finish")(finish)


def migrate(
    name: Name,
    *,
    embedding_model: Annotated[str | None, typer.Option(help="The model that shall embed it.")] = None,
    strategy: Annotated[Strategy | None, typer.Option(help="What a passage shall be.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=16, max=1000, help="Tokens of a passage at most.")] = None,
    min_overlap: Annotated[
        float, typer.Option(min=0, max=1, help="Share of found documents in common, below which the old index stays.")
    ] = 0.0,
    wait: Annotated[bool, typer.Option(help="Wait until the new index is served.")] = True,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Moves a collection to another embedding model, or other passages, while it is searched."""
    plan: MigrationPlan = {"min_overlap": min_overlap}
    if embedding_model:
        plan["embedding_model"] = embedding_model
    if strategy:
        plan["strategy"] = strategy.value
    if max_tokens:
        plan["max_tokens"] = max_tokens
    if plan.keys() == {"min_overlap"}:
        raise typer.BadParameter("say what shall be different: --embedding-model, --strategy or --max-tokens")
    with Olo(target) as olo:
        started = olo.migrations.start(name, **plan)
        _tell(_waited(olo, started) if wait else started, as_json=as_json)


def migration(name: Name, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows the migrations of a collection, newest first."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.migrations.list(name))
    if as_json:
        write_json([as_dict(one) for one in found])
        return
    write_table(
        ("id", "state", "from", "to", "done", "left", "overlap", "begun", "error"),
        (
            (
                one.migration_id,
                _state(one),
                one.source.embedding_model_id,
                one.target.embedding_model_id,
                f"{one.percent:.0f} %",
                f"{one.eta.seconds} s" if one.HasField("eta") else "-",
                f"{one.overlap:.3f}" if one.HasField("overlap") else "-",
                moment(one.create_time),
                one.error,
            )
            for one in found
        ),
    )


def rollback(name: Name, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Gives the newest migration up: searches see the old index."""
    with Olo(target) as olo:
        _tell(_waited(olo, olo.migrations.roll_back(name)), as_json=as_json)


def finish(name: Name, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Removes the old index of the newest migration; there is no way back then."""
    with Olo(target) as olo:
        _tell(olo.migrations.finish(name), as_json=as_json)


def _waited(olo: Olo, started: pb.Migration) -> pb.Migration:
    """The migration once it rests, with a bar meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar, found = progress.add_task(_state(started), total=100.0), started
        while found.state in _MOVING:
            progress.update(bar, completed=found.percent, description=_state(found))
            time.sleep(_POLL_SECONDS)
            found = olo.migrations.get(started.collection, started.migration_id)
    return found


def _tell(found: pb.Migration, *, as_json: bool) -> None:
    words = {
        pb.MIGRATION_STATE_SERVING: f"is embedded by {found.target.embedding_model_id} now; the old index is kept "
        f"until `olo collections finish {found.collection}`",
        pb.MIGRATION_STATE_FINISHED: f"is embedded by {found.target.embedding_model_id}; the old index is gone",
        pb.MIGRATION_STATE_ROLLED_BACK: f"is embedded by {found.source.embedding_model_id} as before",
    }
    failed = found.state == pb.MIGRATION_STATE_FAILED
    if as_json:
        write_json(as_dict(found))
        if failed:
            raise typer.Exit(1)
        return
    if failed:
        Console(stderr=True).print(f"{found.collection} is as before: {found.error}", style="red", markup=False)
        raise typer.Exit(1)
    compared = (
        f" (overlap {found.overlap:.3f} of {found.sampled_queries} searches)" if found.HasField("overlap") else ""
    )
    print(f"{found.collection} {words.get(found.state, f'is {_state(found)}')}{compared}")


def _state(found: pb.Migration) -> str:
    return enum_word(pb.MigrationState.Name(found.state), "MIGRATION_STATE_")
