"""`olo collections`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli import migrations, transfers
from olo_client.cli.migrations import Strategy
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, moment, write_done, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="Sets of documents that are searched together.", no_args_is_help=True)
migrations.add_to(app)
transfers.add_to(app)

Name = Annotated[str, typer.Argument(help="Name of the collection.")]


@app.command("list")
def list_collections(as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the collections."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.collections.list())
    if as_json:
        write_json([as_dict(collection) for collection in found])
    else:
        write_table(
            ("name", "documents", "passages", "embedded by", "created"),
            ((c.name, c.document_count, c.chunk_count, c.embedding_model_id, moment(c.create_time)) for c in found),
        )


@app.command("create")
def create(
    name: Name,
    *,
    embedding_model: Annotated[str | None, typer.Option(help="The model that embeds it.")] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="What a passage is; parent_child shows the model the text around it too.")
    ] = Strategy.STRUCTURE,
    max_tokens: Annotated[
        int, typer.Option(min=0, max=1000, help="Tokens of a passage at most, 16 at least; 0: as the service is set.")
    ] = 0,
    overlap_tokens: Annotated[int, typer.Option(min=0, help="Tokens that a passage repeats of the one before it.")] = 0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Makes an empty collection."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        collection = olo.collections.create(
            name, embedding_model, strategy=strategy.value, max_tokens=max_tokens, overlap_tokens=overlap_tokens
        )
    made = f"{collection.name} is embedded by {collection.embedding_model_id}"
    write_done(as_dict(collection), made, as_json=as_json)


@app.command("update")
def update(
    name: Name,
    retriever: Annotated[
        str, typer.Option(help="How it is searched: dense, sparse, hybrid, or one of your own; empty: as is usual.")
    ],
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Sets how a collection is searched where a search does not say so."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        collection = olo.collections.update(name, retriever=retriever)
    searched = f"{collection.name} is searched by {collection.retriever or 'the retriever of the service'}"
    write_done(as_dict(collection), searched, as_json=as_json)


@app.command("delete")
def delete(name: Name, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Deletes a collection with its documents."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.collections.delete(name)
    write_done({"name": name, "deleted": True}, f"{name} is deleted", as_json=as_json)
