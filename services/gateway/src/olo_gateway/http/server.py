"""The HTTP server, inside the loop of the service."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from olo_common.errors import StartupError
from olo_common.lifecycle import Lifetime
from olo_common.logs import logger
from olo_common.tls import TlsFiles, http_context

_MAX_HEADER_BYTES = 16 * 1024
_BACKLOG = 2048
_UNSENT_BYTES = 128 * 1024


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


@asynccontextmanager
async def http_server(
    app: ASGIApp,
    host: str,
    port: int,
    grace_seconds: float,
    lifetime: Lifetime,
    *,
    client_patience: float,
    setting: str = "http_port",
    tls: TlsFiles | None = None,
    stopping: asyncio.Event | None = None,
) -> AsyncIterator[str]:
    """Serves while entered; gives `host:port`. Leaving it lets running requests finish within the grace.

    A client that reads nothing for `client_patience` seconds loses its connection, and never has more than some hundred
    kilobytes waiting for it. `setting` is the one that says the port; with `tls` HTTPS is served. Once `stopping` is
    set it takes nothing new, and the grace begins: who leaves several servers in turn need not wait for each.

    Raises:
        StartupError: The port is taken.
    """
    listener = _listener(host, port, setting)
    _bound_writes(listener, client_patience)
    address = f"{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        timeout_graceful_shutdown=max(1, int(grace_seconds)),
        ssl_context_factory=(lambda *_: http_context(tls)) if tls else None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http-server")
    task.add_done_callback(lambda done: _report(done, lifetime))
    told = asyncio.create_task(_exit_when(stopping, server), name="http-stopping") if stopping else None
    logger(__name__).info("http_listening", address=address)
    try:
        yield address
    finally:
        if told is not None:
            told.cancel()
        server.should_exit = True
        with contextlib.suppress(Exception):
            await task
        listener.close()


async def _exit_when(stopping: asyncio.Event, server: uvicorn.Server) -> None:
    await stopping.wait()
    server.should_exit = True


def _listener(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise StartupError(
            f"HTTP port {port} on {host} cannot be bound; stop what listens there or set OLO_GATEWAY_{setting.upper()}"
        ) from None
    listener.setblocking(False)
    return listener


def _bound_writes(listener: socket.socket, client_patience: float) -> None:
    """Its connections inherit it. Where the system has no such options its own limits hold, which are wider."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(client_patience * 1000))
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


def _report(task: asyncio.Task[None], lifetime: Lifetime) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        lifetime.fail(error)
