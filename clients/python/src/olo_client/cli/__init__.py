"""The `olo` command line."""

from __future__ import annotations

import sys

from olo_client.cli.program import run


def main() -> None:
    """Runs the command line; exits with one of the codes of `olo_client.cli.program`."""
    sys.exit(run(sys.argv[1:]))
