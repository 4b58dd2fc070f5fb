"""One life of the stack: checks, models, start, ready, stop."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from olo_common.settings import TlsSettings
from olo_local.errors import StackError, Unwritable
from olo_local.lock import directory_lock
from olo_local.observing import prometheus
from olo_local.ports import Ports, choose_ports
from olo_local.preparation import preparations, prepare
from olo_local.registering import unregistered
from olo_local.settings import LocalSettings
from olo_local.stack import DEMO_MODEL, EMBEDDING_MODEL, MINI_MODEL, Place, children
from olo_local.state import StackState, clear_remains, read_state, write_state
from olo_local.supervisor import Pace, Supervisor
from olo_local.types import ChildState, ChildStatus

Told = Callable[[StackState], None]


@dataclass(frozen=True)
class Stack:
    """A stack that is ready."""

    ports: Ports
    state: StackState

    async def over(self) -> None:
        """Waits for ever: a stack ends when its task is cancelled."""
        await asyncio.Event().wait()


@asynccontextmanager
async def running_stack(settings: LocalSettings, mode: str, told: Told) -> AsyncIterator[Stack]:
    """Runs the stack while the context is entered; enters it when questions can be asked.

    Args:
        settings: Where and on which ports.
        mode: `up` keeps its data; `demo` begins with none and keeps vectors in memory.
        told: Called with the state whenever it changes.

    Raises:
        StackError: It cannot be started; nothing is left running.
    """
    _check_tls(settings.tls)
    with directory_lock(settings.home):
        if (before := read_state(settings.state_file)) is not None:
            clear_remains(before)
        state = StackState(mode)

        def tell(phase: str | None = None, step: str = "") -> None:
            state.phase, state.step = phase or state.phase, step
            write_state(settings.state_file, state)
            told(state)

        try:
            async with _started(settings, mode, state, tell) as ports:
                tell("ready")
                yield Stack(ports, state)
        except StackError as error:
            state.problem = str(error)
            raise
        finally:
            tell("failed" if state.problem else "stopped")


@asynccontextmanager
async def _started(
    settings: LocalSettings, mode: str, state: StackState, tell: Callable[..., None]
) -> AsyncIterator[Ports]:
    with _writing(settings.home):
        place = _place(settings, mode)
        settings.logs.mkdir(parents=True, exist_ok=True)
    ports = choose_ports(settings)
    state.ports = dict(ports.serving)
    specs = children(ports, place, settings.tls)
    if settings.observe:
        specs += prometheus(ports, place.data, settings.rules)
    async for model in prepare(preparations(settings)):
        tell(step=f"preparing the model {model}")

    def changed(_: ChildStatus) -> None:
        state.children = list(supervisor.statuses.values())
        tell()

    supervisor = Supervisor(specs, settings.logs, changed, Pace(grace=settings.grace_seconds))
    try:
        async with _patience(settings.ready_seconds, state):
            await supervisor.start()
            models = (DEMO_MODEL, MINI_MODEL, EMBEDDING_MODEL)
            async for missing in unregistered(ports.address("registry"), models, settings.tls):
                tell(step=f"waiting for {', '.join(sorted(missing))} to register")
        yield ports
    finally:
        tell("stopping")
        await asyncio.shield(supervisor.stop())


@asynccontextmanager
async def _patience(seconds: float, state: StackState) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        late = [child.name for child in state.children if child.state is not ChildState.READY]
        who = ", ".join(late) or state.step
        raise StackError(
            f"not ready after {seconds:g} s: {who}; the logs may say why, or set OLO_LOCAL_READY_SECONDS"
        ) from None


def _check_tls(tls: TlsSettings) -> None:
    """Raises StackError where the parts could not call each other."""
    for given, needed in (
        ("cert_file", "ca_file"),
        ("ca_file", "cert_file"),
        ("client_ca_file", "client_cert_file"),
    ):
        if getattr(tls, given) and not getattr(tls, needed):
            raise StackError(
                f"OLO_TLS_{needed.upper()}: is needed where OLO_TLS_{given.upper()} is set: "
                "the parts of the stack call each other"
            )


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(home, error) from None


def _place(settings: LocalSettings, mode: str) -> Place:
    data = settings.home / ("demo" if mode == "demo" else "data")
    if mode == "demo":
        shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True, exist_ok=True)
    vectors = "memory" if mode == "demo" else f"edge:{data / 'vectors'}"
    return Place(data, settings.models_home, vectors)
