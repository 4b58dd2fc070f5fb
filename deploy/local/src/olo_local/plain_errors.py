"""How the commands tell that the stack or a setting is at fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from olo_common.errors import StartupError
from olo_local.errors import StackError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Ends a command with exit code 1 and one sentence on standard error."""
    try:
        yield
    except (StackError, StartupError) as error:
        sys.stderr.write(f"olo: {error}\n")
        raise typer.Exit(1) from None
