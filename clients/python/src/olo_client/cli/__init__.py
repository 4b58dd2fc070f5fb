"""The `olo` command line."""

from __future__ import annotations

import sys

from olo_client.cli.program import run


def main() -> None:
    """Runs the command line; exits with 0, 1 where a call has failed, 2 for wrong usage."""
    sys.exit(run(sys.argv[1:]))
