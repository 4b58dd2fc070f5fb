"""`olo keys`: the file of API keys that gateways read."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from olo_client.cli.options import AsJson
from olo_client.cli.output import write_json, write_table
from olo_client.key_file import Grant, KeyFileError, changed, created, entries_of, known, revoked, rotated

app = typer.Typer(help="The API keys of a gateway: a file, which its operator mounts.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Option("--file", envvar="OLO_GATEWAY_API_KEYS_FILE", help="The file of keys, which the gateway is given."),
]
KeyId = Annotated[str, typer.Argument(help="The id of the key, as `olo keys list` shows it.", metavar="ID")]
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@app.command("create")
def create(
    *,
    tenant: Annotated[str, typer.Option(help="Whose things its bearer sees and makes.")],
    file: File,
    role: Annotated[list[str] | None, typer.Option(help="`user`, or `admin` for operators; repeatable.")] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    expires: Annotated[str, typer.Option(help="After how long it ends: 90d, 12h, 30m. Left out: never.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="A model or alias that it may ask for; repeatable.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Calls in a minute, at each gateway.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="Tokens in a minute, at each gateway.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Answers at once, at each gateway.")] = None,
    priority: Annotated[str, typer.Option(help="The most urgent: batch, normal or interactive.")] = "",
    as_json: AsJson = False,
) -> None:
    """Makes a key and shows it, once."""
    numbers = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrency": concurrency,
    }
    grant = Grant(
        tenant=tenant,
        roles=tuple(role or ("user",)),
        name=name,
        lasts=_duration(expires, "--expires") if expires else None,
        models=tuple(model or ()),
        limits={limit: number for limit, number in numbers.items() if number is not None},
        priority=priority,
    )
    try:
        with changed(file) as entries:
            key_id, key = created(entries, grant, _now())
    except KeyFileError as error:
        raise _refused(error) from None
    _show(key_id, key, as_json=as_json)


@app.command("list")
def list_keys(*, file: File, as_json: AsJson = False) -> None:
    """Lists the keys of the file, without the keys themselves."""
    try:
        found = known(entries_of(file), _now())
    except KeyFileError as error:
        raise _refused(error) from None
    if as_json:
        write_json([asdict(each) for each in found])
        return
    rows = ((e.id, e.tenant, " ".join(e.roles), e.state, e.created, e.expires, e.name) for e in found)
    write_table(("id", "tenant", "roles", "state", "created", "expires", "name"), rows)


@app.command("revoke")
def revoke(key_id: KeyId, *, file: File, as_json: AsJson = False) -> None:
    """Ends a key at once: gateways refuse it as soon as they see the file."""
    try:
        with changed(file) as entries:
            revoked(entries, key_id, _now())
    except KeyFileError as error:
        raise _refused(error) from None
    if as_json:
        write_json({"id": key_id, "state": "revoked"})
    else:
        print(f"{key_id} is revoked")


@app.command("rotate")
def rotate(
    key_id: KeyId,
    *,
    file: File,
    overlap: Annotated[str, typer.Option(help="How long the old key holds on: 24h, 30m; 0 ends it at once.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Makes a key with all that another one has, and shows it, once; the other one ends."""
    lasting = timedelta(0) if overlap == "0" else _duration(overlap, "--overlap")
    try:
        with changed(file) as entries:
            new_id, key = rotated(entries, key_id, lasting, _now())
    except KeyFileError as error:
        raise _refused(error) from None
    _show(new_id, key, as_json=as_json)


def _show(key_id: str, key: str, *, as_json: bool) -> None:
    if as_json:
        write_json({"id": key_id, "key": key})
        return
    print(key)
    sys.stderr.write(f"This is the key {key_id}. It is kept nowhere: nobody can show it again.\n")


def _duration(told: str, option: str) -> timedelta:
    spelled = _DURATION.fullmatch(told)
    if spelled is None:
        raise typer.BadParameter("must be a number with m, h or d behind it, such as 90d", param_hint=option)
    return timedelta(**{_UNITS[spelled[2]]: int(spelled[1])})


def _now() -> datetime:
    return datetime.now(UTC)


def _refused(error: KeyFileError) -> typer.BadParameter:
    return typer.BadParameter(str(error))
