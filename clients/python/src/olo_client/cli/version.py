"""`olo version`."""

from __future__ import annotations

from importlib.metadata import version as installed_version


def version() -> None:
    """Prints the version of this client."""
    print(f"olo {installed_version('olo-client')}")
