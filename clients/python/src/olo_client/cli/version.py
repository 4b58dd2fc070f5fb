"""`olo version`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

from olo_client.cli.options import AsJson
from olo_client.cli.output import write_done


def version(as_json: AsJson = False) -> None:
    """Prints the version of this client."""
    installed = installed_version("olo-client")
    write_done({"olo": installed}, f"olo {installed}", as_json=as_json)
