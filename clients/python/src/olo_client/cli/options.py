"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.connection import DEFAULT_TARGET

Target = Annotated[str, typer.Option(envvar="OLO_TARGET", help="Host and port of the gateway.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
Collection = Annotated[str, typer.Option(help="The collection of documents.")]

TARGET = DEFAULT_TARGET

FEW_ATTEMPTS = 2
"""Tries of what is only looked up: who waits at a terminal wants to hear soon that no gateway is there."""
