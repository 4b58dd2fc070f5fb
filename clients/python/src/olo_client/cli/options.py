"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.connection import DEFAULT_TARGET

Target = Annotated[str, typer.Option(envvar="OLO_TARGET", help="Host and port of the gateway.")]
Url = Annotated[str, typer.Option(envvar="OLO_URL", help="HTTP address of the gateway.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
Collection = Annotated[str, typer.Option(help="The collection of documents.")]

Where = Annotated[
    list[str] | None,
    typer.Option("--where", "--filter", help="key=value that the metadata must have; repeatable."),
]

TARGET = DEFAULT_TARGET

FEW_ATTEMPTS = 2
"""Tries of what is only looked up: who waits at a terminal wants to hear soon that no gateway is there."""


def metadata_of(pairs: list[str] | None) -> dict[str, list[str]]:
    """The values of each key of `--where`; several of one key are alternatives.

    Raises:
        BadParameter: One is not key=value.
    """
    found: dict[str, list[str]] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{pair!r} is not key=value", param_hint="--where")
        found.setdefault(key, []).append(value)
    return found
