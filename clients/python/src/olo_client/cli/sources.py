"""`olo sources`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from olo.retrieval.v1 import source_service_pb2 as pb
from olo_client.cli import source_kinds
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Collection, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_done, write_json, write_table
from olo_client.client import Olo
from olo_client.errors import NotFoundError
from olo_client.sources import is_running

app = typer.Typer(help="Where the documents of a collection come from.", no_args_is_help=True)
app.add_typer(source_kinds.app, name="add")

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the source.")]


@app.command("list")
def list_sources(collection: Collection, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the sources of a collection."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.sources.list(collection))
    if as_json:
        write_json([as_dict(source) for source in found])
    else:
        write_table(
            ("id", "kind", "documents", "last sync", "ended", "problem"),
            (
                (s.source_id, s.WhichOneof("configuration"), s.document_count, _state(s), _ended(s), _problem(s) or "-")
                for s in found
            ),
        )


@app.command("show")
def show(source_id: SourceId, collection: Collection, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows a source and its last sync."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        source = olo.sources.get(collection, source_id)
    if as_json:
        write_json(as_dict(source))
        return
    kind = source.WhichOneof("configuration") or ""
    facts = [("kind", kind), *as_dict(getattr(source, kind)).items()]
    facts += [("every", f"{source.interval.seconds} s" if source.HasField("interval") else "by hand")]
    facts += [("documents", source.document_count), ("last sync", _state(source)), ("ended", _ended(source))]
    facts += list(_counts(source).items())
    facts += [("problem", _problem(source) or "-")]
    write_table(("", ""), ((name.replace("_", " "), value) for name, value in facts))


@app.command("sync")
def sync(
    source_id: SourceId,
    collection: Collection,
    *,
    accept_deletions: Annotated[
        bool,
        typer.Option("--accept-deletions", help="Delete what has disappeared even if it is more than half of all."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, with a progress bar.")] = True,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Syncs a source now; joins the sync that is running. It goes on when this command is stopped."""
    with Olo(target) as olo:
        source = olo.sources.sync(collection, source_id, accept_deletions=accept_deletions)
        if wait:
            source = _waited(olo, collection, source_id, show_bar=not as_json)
    if as_json:
        write_json(as_dict(source))
    elif not wait:
        print(f"sync {source.last_sync.number} of {source_id} has begun")
    else:
        said = ", ".join(f"{count} {name}" for name, count in _counts(source).items())
        print(f"sync {source.last_sync.number} of {source_id} {_state(source)}: {said or 'nothing is listed'}")
        if source.last_sync.held_deletions:
            _warn(
                f"{source.last_sync.held_deletions} documents have disappeared, more than half of all: they are kept; "
                "--accept-deletions deletes them"
            )
        if source.last_sync.error:
            _warn(source.last_sync.error)
    if wait and (source.last_sync.failed or source.last_sync.state == pb.SOURCE_SYNC_STATE_FAILED):
        raise typer.Exit(1)


@app.command("remove")
def remove(
    source_id: SourceId,
    collection: Collection,
    *,
    keep_documents: Annotated[
        bool, typer.Option("--keep-documents", help="Leave its documents where they are.")
    ] = False,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Removes a source with its documents, and waits until they are gone."""
    with Olo(target) as olo:
        olo.sources.delete(collection, source_id, keep_documents=keep_documents)
        # That it is found no more is the end that is waited for.
        with contextlib.suppress(NotFoundError):
            olo.sources.wait(collection, source_id)
    removed = {"collection": collection, "source_id": source_id, "removed": True}
    write_done(removed, f"{source_id} is removed", as_json=as_json)


def _waited(olo: Olo, collection: str, source_id: str, *, show_bar: bool) -> pb.Source:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not show_bar) as progress:
        bar = progress.add_task("syncing", total=100.0)

        def report(source: pb.Source) -> None:
            last = source.last_sync
            left = f", {last.eta.seconds} s left" if last.HasField("eta") else ""
            # While a source does not answer, it is asked again and again: the reason is shown at once.
            problem = f" ({last.error})" if last.error and is_running(source) else ""
            progress.update(bar, completed=last.percent, description=f"{_state(source)}{left}{problem}")

        return olo.sources.wait(collection, source_id, report=report)


def _state(source: pb.Source) -> str:
    if not source.HasField("last_sync"):
        return "never synced"
    return enum_word(pb.SourceSyncState.Name(source.last_sync.state), "SOURCE_SYNC_STATE_")


def _ended(source: pb.Source) -> str:
    return moment(source.last_sync.end_time)


def _problem(source: pb.Source) -> str:
    held = source.last_sync.held_deletions
    return source.last_sync.error or (f"{held} disappeared documents are kept" if held else "")


def _counts(source: pb.Source) -> dict[str, int]:
    last = source.last_sync
    counts = {
        "added": last.added, "updated": last.updated, "unchanged": last.unchanged,
        "deleted": last.deleted, "failed": last.failed,
    }  # fmt: skip
    return {name: count for name, count in counts.items() if count}


def _warn(message: str) -> None:
    Console(stderr=True).print(message, style="red", markup=False, highlight=False)
