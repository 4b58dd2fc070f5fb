"""How Temporal's development server is started: for the local stack and for tests, so that both are the same server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

_DYNAMIC_CONFIG = (
    # The defaults are made for clusters: a task waits up to 50 ms for its turn.
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "history.outboundProcessorMaxPollRPS=2000",
    "system.enableEagerWorkflowStart=true",
    # A deleted workflow goes once these queues have told that they are past its end, by default each 30 s.
    'history.transferProcessorUpdateAckInterval="1s"',
    'history.visibilityProcessorUpdateAckInterval="1s"',
    # Backlogged tasks go out by priority, and within one priority by turns among fairness keys. Each partition of a
    # queue does so for itself; one server needs no more than one.
    "matching.useNewMatcher=true",
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)


def dev_server_command(
    program: str,
    *,
    host: str,
    port: int,
    database: Path | None,
    synchronous: Literal["normal", "full"],
    ui_port: int | None = None,
) -> Sequence[str]:
    """The command of a server.

    Args:
        program: The path of `temporal`.
        host: The address to bind.
        port: The port of its API.
        database: The SQLite file; None: in memory.
        synchronous: `full` survives the loss of power, `normal` the loss of the process.
        ui_port: The port of its web page; None: none.
    """
    command = [program, "server", "start-dev", "--ip", host, "--port", str(port), "--log-level", "warn"]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    if database is not None:
        command += ["--db-filename", str(database)]
        command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", f"synchronous={synchronous}"]
    for value in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    return command
