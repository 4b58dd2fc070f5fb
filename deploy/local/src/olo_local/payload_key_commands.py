"""`olo payload-keys`: the file of the keys that encrypt what Temporal stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olo_client.cli.options import AsJson
from olo_client.cli.output import write_json, write_table
from olo_local.payload_key_file import PayloadKeyFileError, created, ids_of, used

app = typer.Typer(
    name="payload-keys", help="The keys that encrypt prompts and answers in Temporal: a file.", no_args_is_help=True
)

File = Annotated[
    Path,
    typer.Option("--file", envvar="OLO_PAYLOAD_KEYS_FILE", help="The file of keys, which all services are given."),
]


@app.command("create")
def create(
    *,
    file: File,
    key_id: Annotated[str, typer.Option("--id", help="Its id, which stands beside each payload; left out: any.")] = "",
    as_json: AsJson = False,
) -> None:
    """Adds a key that decrypts; the first one of a file encrypts, too."""
    try:
        key_id, encrypts = created(file, key_id)
    except PayloadKeyFileError as error:
        raise _refused(error) from None
    if as_json:
        write_json({"id": key_id, "file": str(file), "encrypts": encrypts})
    elif encrypts:
        print(f"{key_id} encrypts and decrypts")
    else:
        print(f"{key_id} decrypts; once all services have the file: olo payload-keys use {key_id}")


@app.command("use")
def use(
    key_id: Annotated[str, typer.Argument(help="The id of a key, as `olo payload-keys list` shows it.", metavar="ID")],
    *,
    file: File,
    as_json: AsJson = False,
) -> None:
    """Has a key encrypt from now on; the others go on decrypting."""
    try:
        used(file, key_id)
    except PayloadKeyFileError as error:
        raise _refused(error) from None
    if as_json:
        write_json({"id": key_id, "file": str(file), "encrypts": True})
    else:
        print(f"{key_id} encrypts and decrypts")


@app.command("list")
def show(*, file: File, as_json: AsJson = False) -> None:
    """Shows the ids of the keys, and never the keys."""
    try:
        ids = ids_of(file)
    except PayloadKeyFileError as error:
        raise _refused(error) from None
    if as_json:
        write_json({"keys": [{"id": key_id, "encrypts": key_id == ids[0]} for key_id in ids]})
    else:
        write_table(("id", "does"), ((k, "encrypts and decrypts" if k == ids[0] else "decrypts") for k in ids))


def _refused(error: PayloadKeyFileError) -> typer.BadParameter:
    return typer.BadParameter(str(error))
