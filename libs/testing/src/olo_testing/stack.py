"""The whole local stack, driven by its own command line as a user would drive it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olo_testing.processes import binary


@dataclass(frozen=True)
class Stack:
    """A running stack: the environment that its command line needs, and its ports by part."""

    env: dict[str, str]
    ports: dict[str, int]

    @property
    def target(self) -> str:
        """The gateway's gRPC address."""
        return f"127.0.0.1:{self.ports['gateway']}"

    @property
    def url(self) -> str:
        """The gateway's HTTP address."""
        return f"http://127.0.0.1:{self.ports['gateway_http']}"

    def olo(self, *arguments: str, timeout: float = 120) -> str:
        """Runs the command line; gives its standard output, and fails with all that it said."""
        command = [binary("olo"), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise AssertionError(f"olo {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `olo status` says."""
        state: dict[str, Any] = json.loads(self.olo("status", "--json"))
        return state

    def child(self, name: str) -> dict[str, Any]:
        """One part of the stack."""
        found: dict[str, Any] = next(child for child in self.status()["children"] if child["name"] == name)
        return found


@contextmanager
def local_stack(directory: Path, models: Path, variables: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A stack on free ports, up while the block runs.

    Args:
        directory: Where it keeps its data.
        models: Where prepared models are kept; shared between stacks.
        variables: More of its environment.
    """
    env = {
        **os.environ,
        "OLO_LOCAL_DIRECTORY": str(directory),
        "OLO_LOCAL_MODELS": str(models),
        "OLO_LOCAL_PORTS": "free",
        **(variables or {}),
    }
    starting = Stack(env, {})
    try:
        starting.olo("up", timeout=300)
        ports = starting.status()["ports"]
        yield Stack({**env, "OLO_TARGET": f"127.0.0.1:{ports['gateway']}"}, ports)
    finally:
        starting.olo("down", timeout=120)
