"""How a service process begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from olo_common.errors import StartupError
from olo_common.log_export import log_export
from olo_common.logs import configure_logs, logger
from olo_common.metrics import configure_metrics
from olo_common.settings import ServiceSettings, load_settings, print_help
from olo_common.tracing import configure_tracing

S = TypeVar("S", bound=ServiceSettings)


class Lifetime:
    """When a service ends: it is told to, or a part that it cannot live without has failed."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.failure: BaseException | None = None

    def stop(self) -> None:
        """Ends the service in good order."""
        self._over.set()

    def fail(self, failure: BaseException) -> None:
        """Ends the service with an error, so that whoever supervises it starts it anew."""
        self.failure = self.failure or failure
        self._over.set()

    async def over(self) -> None:
        """Waits for the end."""
        await self._over.wait()


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str, lifetime: Lifetime) -> AsyncIterator[None]:
    """Runs `work` beside the body and cancels it afterwards; if it fails, the lifetime ends with its error."""

    async def guarded() -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logger(__name__).exception("background_task_failed", task=name)
            lifetime.fail(error)

    task = asyncio.create_task(guarded(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


Running = Callable[[S, Lifetime], AbstractAsyncContextManager[str]]
"""A service's `running`: serves while the context is entered; gives the address of its gRPC server."""


def run_service(name: str, settings_class: type[S], running: Running[S]) -> None:
    """The whole life of a service process: settings, logs, metrics, traces, serving until SIGTERM or SIGINT, drain.

    A second signal ends the process at once. The exit code is 1 where the service cannot start or has failed.
    """
    if len(sys.argv) > 1:
        print_help(f"olo-{name}", (sys.modules[settings_class.__module__].__doc__ or "").strip(), settings_class)
        sys.exit(0 if sys.argv[1] in ("--help", "-h") else 2)
    try:
        settings = load_settings(settings_class)
        export = log_export(name, settings.tracing)
        configure_logs(settings.log, name, export)
        configure_metrics(name, settings.host, settings.metrics_port)
        end_tracing = configure_tracing(name, settings.tracing)
        try:
            _runner()(_serve(name, settings, running))
        finally:
            end_tracing()
            if export is not None:
                export.end()
    except StartupError as error:
        sys.stderr.write(f"olo-{name}: {error}\n")
        sys.exit(StartupError.EXIT_CODE)


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


async def _serve(name: str, settings: S, running: Running[S]) -> None:
    log = logger(__name__)
    lifetime = Lifetime()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_or_exit, lifetime)
    async with running(settings, lifetime) as address:
        _keep_what_is_here()
        log.info("service_started", service_name=name, address=address)
        await lifetime.over()
        log.info("service_stopping", service_name=name)
    log.info("service_stopped", service_name=name)
    if lifetime.failure is not None:
        if isinstance(lifetime.failure, StartupError):
            raise lifetime.failure
        sys.exit(1)


def _keep_what_is_here() -> None:
    """Spares the garbage collector what has come with the start, and stays.

    A full collection stops the process, all its threads and calls, for as long as it takes to look through everything:
    0.1 s of CPU for what a service imports, more on a machine with other work. Load sets it off.
    """
    gc.collect()
    gc.freeze()


def _stop_or_exit(lifetime: Lifetime) -> None:
    if lifetime._over.is_set():
        os._exit(130)
    lifetime.stop()
