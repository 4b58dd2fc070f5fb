"""`olo files`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olo.gateway.v1.file_service_pb2 import File
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, moment, write_bytes, write_done, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="Files that the gateway keeps: for batches and vector stores.", no_args_is_help=True)

FileId = Annotated[str, typer.Argument(help="The file.")]


@app.command("upload")
def upload(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")],
    purpose: Annotated[str, typer.Option(help="batch, assistants, user_data, fine-tune, vision or evals.")] = "batch",
    expires_after: Annotated[
        float | None, typer.Option(help="Seconds after which it is deleted, 3600 to 2592000; left out: it stays.")
    ] = None,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Uploads a file and writes its id."""
    with Olo(target) as olo:
        file = olo.files.upload(path, purpose=purpose, expires_after=expires_after)
    write_json(as_dict(file)) if as_json else print(file.file_id)


@app.command("list")
def list_files(
    purpose: Annotated[str, typer.Option(help="Only files for this.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Lists the files, newest first."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.files.list(limit, purpose=purpose))
    if as_json:
        write_json([as_dict(file) for file in found])
    else:
        write_table(("file", "name", "purpose", "bytes", "created", "expires"), (_row(file) for file in found))


@app.command("get")
def get(
    file_id: FileId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where; left out: standard output.")] = None,
    target: Target = TARGET,
) -> None:
    """Downloads a file."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.files.get(file_id)
        write_bytes(olo.files.read(file_id), output)


@app.command("delete")
def delete(file_id: FileId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Deletes a file; a batch that was created from it goes on."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.files.delete(file_id)
    write_done({"file_id": file_id, "deleted": True}, f"{file_id} is deleted", as_json=as_json)


def _row(file: File) -> tuple[object, ...]:
    return (
        file.file_id,
        file.filename,
        file.purpose,
        file.size_bytes,
        moment(file.create_time),
        moment(file.expire_time),
    )
