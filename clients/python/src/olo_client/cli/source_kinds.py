"""`olo sources add KIND`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from olo.retrieval.v1 import source_service_pb2 as pb
from olo_client.cli.options import TARGET, AsJson, Collection, Target
from olo_client.cli.output import as_dict, write_json
from olo_client.client import Olo
from olo_client.errors import ConflictError
from olo_client.sources import Configuration

app = typer.Typer(help="Adds a source; makes the collection if it is missing.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the new source.")]
Every = Annotated[str, typer.Option(help="How often it is synced, such as 30s, 15m, 6h or 1d; left out: by hand.")]
Glob = Annotated[str, typer.Option(help="Which files, such as '**/*.md'; left out: all whose text can be read.")]


@app.command("files")
def files(
    source_id: SourceId,
    collection: Collection,
    *,
    path: Annotated[str, typer.Option(help="A path of the service's machine, or a URL such as s3://bucket/prefix.")],
    glob: Glob = "",
    every: Every = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Files of a folder or an object store."""
    _add(target, collection, source_id, pb.FileSource(path=path, glob=glob), every, as_json=as_json)


@app.command("web")
def web(
    source_id: SourceId,
    collection: Collection,
    *,
    page: Annotated[list[str] | None, typer.Option(help="URL of a page; may be given several times.")] = None,
    sitemap: Annotated[str, typer.Option(help="URL of a sitemap.")] = "",
    max_pages: Annotated[int, typer.Option(min=1, max=10_000, help="More pages are left out.")] = 1000,
    every: Every = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Pages of one host of the public web."""
    _add(
        target,
        collection,
        source_id,
        pb.WebSource(pages=page or [], sitemap=sitemap, max_pages=max_pages),
        every,
        as_json=as_json,
    )


@app.command("sql")
def sql(
    source_id: SourceId,
    collection: Collection,
    *,
    database: Annotated[str, typer.Option(help="The name that the operator has given the database.")],
    query: Annotated[str, typer.Option(help="One SELECT.")],
    id_column: Annotated[str, typer.Option(help="Column of the id of a document.")] = "id",
    content_column: Annotated[str, typer.Option(help="Column of its text.")] = "content",
    title_column: Annotated[str, typer.Option(help="Column of its title.")] = "",
    watermark_column: Annotated[str, typer.Option(help="Column that changes with the row, such as a time.")] = "",
    every: Every = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Rows of a query."""
    configuration = pb.SqlSource(
        database=database,
        query=query,
        id_column=id_column,
        content_column=content_column,
        title_column=title_column,
        watermark_column=watermark_column,
    )
    _add(target, collection, source_id, configuration, every, as_json=as_json)


@app.command("git")
def git(
    source_id: SourceId,
    collection: Collection,
    *,
    repository: Annotated[str, typer.Option(help="An https URL, or a path of the service's machine.")],
    ref: Annotated[str, typer.Option(help="A branch or tag; left out: HEAD.")] = "",
    glob: Glob = "",
    every: Every = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Files of the newest commit of a git repository."""
    _add(target, collection, source_id, pb.GitSource(repository=repository, ref=ref, glob=glob), every, as_json=as_json)


@app.command("nats")
def nats(
    source_id: SourceId,
    collection: Collection,
    *,
    subject: Annotated[str, typer.Option(help="A subject that a JetStream stream keeps; wildcards are allowed.")],
    id_header: Annotated[str, typer.Option(help="Header that holds the id of a document.")] = "",
    id_field: Annotated[str, typer.Option(help="Field of the JSON object that holds it.")] = "",
    content_field: Annotated[str, typer.Option(help="Field that holds the text; left out: the whole message.")] = "",
    every: Every = "30s",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Messages of a NATS subject."""
    configuration = pb.NatsSource(subject=subject, id_header=id_header, id_field=id_field, content_field=content_field)
    _add(target, collection, source_id, configuration, every, as_json=as_json)


def seconds_of(every: str) -> float | None:
    """The seconds of `15m`; None of nothing."""
    if not every:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhd])", every)
    if found is None:
        raise typer.BadParameter(f"{every!r} is no length of time such as 30s, 15m, 6h or 1d", param_hint="--every")
    return float(int(found[1]) * _UNITS[found[2]])


def _add(
    target: str, collection: str, source_id: str, configuration: Configuration, every: str, *, as_json: bool
) -> None:
    seconds = seconds_of(every)
    with Olo(target) as olo:
        try:
            olo.collections.create(collection)
        except ConflictError as error:
            if error.reason != "collection_exists":
                raise
        source = olo.sources.create(collection, source_id, configuration, every=seconds)
    if as_json:
        write_json(as_dict(source))
        return
    when = f"is synced every {every}" if every else f"`olo sources sync {source_id} --collection {collection}` syncs it"
    print(f"{source_id} is a source of {collection}; {when}")
