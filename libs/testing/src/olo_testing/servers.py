"""Commands of the real servers, with the settings that the local stack gives them too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from olo_common.temporal_dev_server import dev_server_command
from olo_testing.ports import free_port
from olo_testing.processes import binary, running


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
def temporal_server(
    directory: Path, port: int | None = None, *, in_memory: bool = False, dynamic_config: Sequence[str] = ()
) -> Iterator[str]:
    """A Temporal development server without its UI, on a database file unless told otherwise; gives host and port.

    Args:
        directory: Where its database and its log are.
        port: Its port; None: a free one.
        in_memory: Whether it has no database file.
        dynamic_config: Settings of the server beside the usual ones, as `key=value`.
    """
    port = port or free_port()
    database = None if in_memory else directory / "temporal.db"
    command = dev_server_command(
        binary("temporal"), host="127.0.0.1", port=port, database=database, synchronous="normal"
    )
    command = [*command, *(word for value in dynamic_config for word in ("--dynamic-config-value", value))]
    with running(command, port=port, log=directory / "temporal.log"):
        yield f"127.0.0.1:{port}"
