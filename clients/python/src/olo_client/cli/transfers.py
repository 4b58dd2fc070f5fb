"""`olo collections export` and `import`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, write_done
from olo_client.client import Olo


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("export")(export)
    app.command("import")(import_collection)


def export(
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The file that is written.")],
    vectors: Annotated[
        bool, typer.Option(help="With vectors; without them the file is smaller, and embedded anew.")
    ] = True,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Writes a collection as a file: settings, documents with their versions, passages, vectors."""
    # The file has its name once it is whole.
    made, size = output.with_name(f"{output.name}.part"), 0
    try:
        with Olo(target, attempts=FEW_ATTEMPTS) as olo, made.open("wb") as sink:
            for piece in olo.collections.export(name, vectors=vectors):
                size += sink.write(piece)
        made.replace(output)
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
    told = {"name": name, "file": str(output), "size_bytes": size}
    write_done(told, f"{name} is in {output} ({size} bytes)", as_json=as_json)


def import_collection(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")],
    name: Annotated[str, typer.Option(help="How the collection is called; left out: as it was.")] = "",
    embedding_model: Annotated[
        str, typer.Option(help="The model that embeds it; left out: the one that has, or the default one.")
    ] = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Makes a collection of a file: it is there with all of its documents, or not at all."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        taken = olo.collections.import_file(file, name=name, embedding_model=embedding_model)
    made = taken.collection
    words = f"{made.name} has {made.document_count} documents, embedded by {made.embedding_model_id}"
    if taken.documents_to_index:
        words += f"; {taken.documents_to_index} of them are being indexed"
    write_done(as_dict(taken), words, as_json=as_json)
