"""Commands of the real servers, with the settings that the local stack gives them too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from olo_testing.ports import free_port
from olo_testing.processes import binary, running

_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "history.outboundProcessorMaxPollRPS=2000",
    "system.enableEagerWorkflowStart=true",
)


@contextmanager
def nats_server(directory: Path, port: int | None = None, *, jetstream: bool = True) -> Iterator[str]:
    """A NATS server; gives its URL."""
    port = port or free_port()
    command = [binary("nats-server"), "-a", "127.0.0.1", "-p", str(port)]
    if jetstream:
        command += ["-js", "-sd", str(directory / "jetstream")]
    with running(command, port=port, log=directory / "nats.log"):
        yield f"nats://127.0.0.1:{port}"


@contextmanager
def temporal_server(directory: Path, port: int | None = None) -> Iterator[str]:
    """A Temporal development server without its UI, on a database file; gives host and port."""
    port = port or free_port()
    command = [binary("temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--db-filename", str(directory / "temporal.db"), "--log-level", "warn"]
    command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
    for value in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    with running(command, port=port, log=directory / "temporal.log"):
        yield f"127.0.0.1:{port}"
